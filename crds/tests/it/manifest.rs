//! The generated files, and what must be in them.

use std::{env, fs, path::PathBuf, sync::LazyLock};

use gamekeeper_crds::manifest::manifests;
use serde_json::Value;

/// `kubectl apply` keeps a copy in an annotation, which may have 256 KiB.
const SIZE_MAX: usize = 256 * 1024;

/// Both places that carry the definitions: for `kubectl apply`, and for the chart.
const FOLDERS: [&str; 2] = ["", "../charts/gamekeeper/files/crds"];

#[test]
fn the_committed_files_are_current() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    for folder in FOLDERS {
        for manifest in manifests() {
            let path = root.join(folder).join(&manifest.file);
            if env::var_os("UPDATE").is_some() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &manifest.yaml).unwrap();
            }
            let committed = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == manifest.yaml,
                "{} is not current: UPDATE=1 cargo test -p gamekeeper-crds",
                path.display()
            );
        }
    }
}

#[test]
fn plain_kubectl_apply_can_take_them() {
    for manifest in manifests() {
        let json: Value = serde_yaml::from_str(&manifest.yaml).unwrap();
        let size = serde_json::to_string(&json).unwrap().len();
        assert!(size < SIZE_MAX, "{} has {size} bytes", manifest.file);
    }
}

#[test]
fn they_have_columns_short_names_a_category_and_scale() {
    let [fleet, room] = &definitions()[..] else { panic!("two definitions") };
    assert_eq!(fleet["spec"]["names"]["shortNames"][0], "gf");
    assert_eq!(room["spec"]["names"]["shortNames"][0], "gr");
    for crd in [fleet, room] {
        assert_eq!(crd["spec"]["names"]["categories"][0], "games");
        assert!(crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap().len() > 5);
    }
    let scale = &fleet["spec"]["versions"][0]["subresources"]["scale"];
    assert_eq!(scale["labelSelectorPath"], ".status.selector");
}

#[test]
fn the_template_is_fully_typed() {
    let fleet = definitions().swap_remove(0);
    let template = &schema(&fleet)["properties"]["spec"]["properties"]["template"];
    let container = &template["properties"]["spec"]["properties"]["containers"]["items"]["properties"];
    assert_eq!(container["image"]["type"], "string");
    assert_eq!(container["livenessProbe"]["properties"]["periodSeconds"]["type"], "integer");
    // A number such as 0.1 is a quantity too.
    let limit = &container["resources"]["properties"]["limits"]["additionalProperties"];
    assert_eq!(limit["x-kubernetes-preserve-unknown-fields"], true);
    assert!(template["x-kubernetes-preserve-unknown-fields"].is_null());
}

/// The definitions as they were generated; parsed once, since the template's schema is large.
pub(crate) fn definitions() -> Vec<Value> {
    static DEFINITIONS: LazyLock<Vec<Value>> =
        LazyLock::new(|| manifests().iter().map(|it| serde_yaml::from_str(&it.yaml).unwrap()).collect());
    DEFINITIONS.clone()
}

pub(crate) fn schema(crd: &Value) -> &Value {
    &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
}
