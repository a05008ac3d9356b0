//! The pod template of a fleet: typed for the API server, untouched JSON for us.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::PodTemplateSpec;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A `PodTemplateSpec` as the API server accepted it.
///
/// It is never retyped: a field that this operator's version of the Kubernetes types does not know
/// reaches the pod all the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PodTemplate(pub Map<String, Value>);

impl PodTemplate {
    /// The labels that the template gives to its pods.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let labels = self.0.get("metadata").and_then(|it| it["labels"].as_object());
        labels.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
    }

    /// The containers of the template, as they stand there.
    pub fn containers(&self) -> &[Value] {
        let containers = self.0.get("spec").and_then(|it| it["containers"].as_array());
        containers.map_or(&[], Vec::as_slice)
    }
}

impl JsonSchema for PodTemplate {
    fn schema_name() -> Cow<'static, str> {
        "PodTemplate".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = generator.subschema_for::<PodTemplateSpec>();
        mend(schema.as_object_mut().map(|it| it as &mut Map<String, Value>));
        schema.insert("description".into(), json!("The servers' pods: a PodTemplateSpec."));
        schema
    }
}

/// Strips descriptions, which make up most of the schema's size, and accepts quantities as numbers.
fn mend(schema: Option<&mut Map<String, Value>>) {
    let Some(schema) = schema else { return };
    let is_quantity =
        schema.get("description").and_then(Value::as_str).is_some_and(|it| it.starts_with("Quantity is"));
    if is_quantity {
        // `int-or-string` refuses the number 0.1, which every built-in kind takes. No structural
        // type admits "a number or a string", so anything goes here and the trial pod judges it.
        schema.clear();
        schema.insert("x-kubernetes-preserve-unknown-fields".into(), json!(true));
        return;
    }
    schema.remove("description");
    for key in ["properties", "additionalProperties", "items"] {
        match schema.get_mut(key) {
            Some(Value::Object(inner)) if key == "properties" => {
                inner.values_mut().for_each(|it| mend(it.as_object_mut()));
            }
            inner => mend(inner.and_then(Value::as_object_mut)),
        }
    }
}
