//! An accepted and a refused example of every rule, for tests here and against a real API server.

use serde_json::{Map, Value, json};

/// One rule, shown from both sides.
#[derive(Clone, Debug)]
pub struct Example {
    /// `GameFleet` or `GameRoom`.
    pub kind: String,
    /// A part of the message that the refused object gets.
    pub says: String,
    /// Whether the rule is of the schema itself, which only an API server checks.
    pub is_schema: bool,
    /// The object before, where the rule is about a change.
    pub before: Option<Value>,
    /// An object that the rule lets through.
    pub accepted: Value,
    /// An object that it refuses.
    pub refused: Value,
}

/// All examples, from `crds/tests/rules.yaml`.
///
/// # Panics
///
/// Panics if that file is not what its head says.
pub fn examples() -> Vec<Example> {
    let text = include_str!("../tests/rules.yaml");
    let file: Value = serde_yaml::from_str(text).expect("the examples are YAML");
    let cases = file["cases"].as_array().expect("the examples have cases");
    cases.iter().map(|case| example(&file["bases"], case)).collect()
}

fn example(bases: &Value, case: &Value) -> Example {
    let kind = case["kind"].as_str().expect("a case has a kind");
    let base = merged(&bases[kind], &json!({}));
    let before = case.get("before").map(|it| merged(&base, it));
    let from = before.clone().unwrap_or(base);
    Example {
        kind: kind.to_owned(),
        says: case["says"].as_str().expect("a case says something").to_owned(),
        is_schema: case["schema"].as_bool().unwrap_or_default(),
        accepted: merged(&from, &case["accepted"]),
        refused: merged(&from, &case["refused"]),
        before,
    }
}

/// RFC 7396, and then what would be too long to write down.
fn merged(base: &Value, patch: &Value) -> Value {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            let mut merged: Map<String, Value> = base.clone();
            for (key, value) in patch {
                let before = base.get(key).unwrap_or(&Value::Null);
                if value.is_null() {
                    merged.remove(key)
                } else {
                    merged.insert(key.clone(), merged_value(before, value))
                };
            }
            Value::Object(merged)
        }
        (_, patch) => merged_value(&Value::Null, patch),
    }
}

fn merged_value(before: &Value, patch: &Value) -> Value {
    match patch {
        Value::Object(_) if before.is_object() => merged(before, patch),
        Value::Object(map) => merged(&json!({}), &Value::Object(map.clone())),
        Value::String(text) => match text.split_once('-') {
            Some(("LONG", length)) => json!("x".repeat(length.parse().expect("LONG has a length"))),
            Some(("MANY", count)) => {
                let count: usize = count.parse().expect("MANY has a count");
                (0..count).map(|it| (format!("key-{it}"), json!("x"))).collect::<Map<_, _>>().into()
            }
            _ => patch.clone(),
        },
        _ => patch.clone(),
    }
}
