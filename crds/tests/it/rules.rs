//! Every rule in CEL lets its accepted example through and refuses the other, with its message.

use gamekeeper_crds::examples::{Example, examples};
use kube_cel::Validator;
use serde_json::Value;

use crate::manifest::{definitions, schema};

fn errors(example: &Example, object: &Value) -> Vec<String> {
    let crd = definitions().into_iter().find(|it| it["spec"]["names"]["kind"] == *example.kind).unwrap();
    let errors = Validator::new().validate(schema(&crd), object, example.before.as_ref());
    let errors = errors.err().map(kube_cel::ValidationErrors::into_vec).unwrap_or_default();
    errors.iter().map(|it| it.message.clone()).collect()
}

#[test]
fn every_rule_accepts_and_refuses_its_examples() {
    for example in examples().iter().filter(|it| !it.is_schema) {
        assert_eq!(errors(example, &example.accepted), [""; 0], "{}", example.says);
        let refused = errors(example, &example.refused);
        assert!(refused.iter().any(|it| it.contains(&example.says)), "{}: {refused:?}", example.says);
    }
}

#[test]
fn every_rule_has_an_example() {
    let all = examples();
    let mut messages = Vec::new();
    definitions().iter().for_each(|it| collect(it, &mut messages));
    assert!(20 < messages.len());
    for message in messages {
        assert!(all.iter().any(|it| message.contains(&it.says)), "no example for: {message}");
    }
}

fn collect(value: &Value, messages: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            let rules = map.get("x-kubernetes-validations").and_then(Value::as_array);
            messages.extend(rules.into_iter().flatten().map(|it| it["message"].as_str().unwrap().to_owned()));
            map.values().for_each(|it| collect(it, messages));
        }
        Value::Array(items) => items.iter().for_each(|it| collect(it, messages)),
        _ => (),
    }
}
