//! The two definitions as YAML files, ready for `kubectl apply`.

use kube::CustomResourceExt as _;
use serde_json::Value;

use crate::{GameFleet, GameRoom};

const HEADER: &str =
    "# Generated from the Rust types in crds/src. Do not edit: UPDATE=1 cargo test -p gamekeeper-crds\n";

/// A custom resource definition as a file.
pub struct Manifest {
    /// The file's name, which is the definition's name and `.yaml`.
    pub file: String,
    /// Its contents.
    pub yaml: String,
}

/// All definitions.
///
/// # Panics
///
/// Panics if the types do not make a structural schema, which a test excludes.
pub fn manifests() -> Vec<Manifest> {
    let crds = [GameFleet::crd(), GameRoom::crd()];
    crds.iter()
        .map(|crd| {
            let mut json = serde_json::to_value(crd).expect("a definition is plain data");
            whole_numbers(&mut json);
            let yaml = serde_yaml::to_string(&json).expect("JSON is YAML");
            let name = crd.metadata.name.as_deref().expect("the derive names every definition");
            Manifest { file: format!("{name}.yaml"), yaml: format!("{HEADER}{yaml}") }
        })
        .collect()
}

/// Schema bounds are floats in Rust; the API server answers with integers, and `5000.0` would be a
/// difference for ever to whoever compares.
fn whole_numbers(json: &mut Value) {
    match json {
        Value::Number(number) => {
            #[allow(clippy::cast_possible_truncation, reason = "bounds of our schemas are small")]
            let whole = number.as_f64().filter(|it| number.is_f64() && it.fract() == 0.0).map(|it| it as i64);
            if let Some(whole) = whole {
                *json = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(map) => map.values_mut().for_each(whole_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => (),
    }
}
