//! Label and field selectors, in the query's grammar and in the objects' form.

use serde_json::Value;

use crate::{answer::Failure, resource::Resource};

/// What a list or watch is restricted to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

/// One requirement; all must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq)]
enum Rule {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Failure> {
        let labels = split(labels).into_iter().map(label_requirement).collect::<Result<_, _>>()?;
        let fields =
            split(fields).into_iter().map(|it| field_requirement(resource, it)).collect::<Result<_, _>>()?;
        Ok(Self { labels, fields })
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let field = |path: &str| path.split('.').fold(object, |it, part| &it[part]);
        self.labels.iter().all(|it| it.holds(text(&labels[it.key.as_str()])))
            // A field that is not set counts as empty.
            && self.fields.iter().all(|it| it.holds(Some(text(field(&it.key)).unwrap_or_default())))
    }
}

impl Requirement {
    /// One of a selector's `matchExpressions`.
    fn from_expression(expression: &Value) -> Option<Self> {
        let values = || {
            let values = expression["values"].as_array().map(Vec::as_slice).unwrap_or_default();
            values.iter().filter_map(text).collect()
        };
        let rule = match expression["operator"].as_str()? {
            "In" => Rule::In(values()),
            "NotIn" => Rule::NotIn(values()),
            "Exists" => Rule::Exists,
            "DoesNotExist" => Rule::Absent,
            _ => return None,
        };
        Some(Self { key: text(&expression["key"])?, rule })
    }

    fn holds(&self, value: Option<String>) -> bool {
        match &self.rule {
            Rule::In(values) => value.is_some_and(|it| values.contains(&it)),
            Rule::NotIn(values) => value.is_none_or(|it| !values.contains(&it)),
            Rule::Exists => value.is_some(),
            Rule::Absent => value.is_none(),
        }
    }
}

/// Whether a `LabelSelector` in an object selects these labels. An empty one selects everything.
pub(crate) fn label_selector_matches(selector: &Value, labels: &Value) -> bool {
    let exact = selector["matchLabels"].as_object().into_iter().flatten();
    exact.into_iter().all(|(key, value)| &labels[key.as_str()] == value)
        && expressions_match(&selector["matchExpressions"], labels)
}

/// Whether all expressions of a selector hold for these labels.
pub(crate) fn expressions_match(expressions: &Value, labels: &Value) -> bool {
    let expressions = expressions.as_array().map(Vec::as_slice).unwrap_or_default();
    expressions
        .iter()
        .all(|it| Requirement::from_expression(it).is_some_and(|it| it.holds(text(&labels[it.key.as_str()]))))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(it) => Some(it.clone()),
        other => Some(other.to_string()),
    }
}

/// Splits at commas outside of parentheses.
fn split(selector: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = selector.split(|it| {
        match it {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        it == ',' && depth == 0
    });
    parts.map(str::trim).filter(|it| !it.is_empty()).collect()
}

fn label_requirement(term: &str) -> Result<Requirement, Failure> {
    let made = |key: &str, rule| Requirement { key: key.trim().to_owned(), rule };
    if let Some((key, value)) = term.split_once("!=") {
        return Ok(made(key, Rule::NotIn(vec![value.trim().to_owned()])));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Ok(made(key, Rule::In(vec![value.trim().to_owned()])));
    }
    if let Some((head, values)) = term.split_once('(') {
        let values = values.trim_end_matches(')').split(',').map(|it| it.trim().to_owned()).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next()) {
            (Some(key), Some("in")) => Ok(made(key, Rule::In(values))),
            (Some(key), Some("notin")) => Ok(made(key, Rule::NotIn(values))),
            _ => Err(Failure::bad_request(format!("unable to parse requirement: {term:?}"))),
        };
    }
    if term.contains(char::is_whitespace) || term.contains(['<', '>']) {
        return Err(Failure::bad_request(format!("unable to parse requirement: {term:?}")));
    }
    Ok(term.strip_prefix('!').map_or_else(|| made(term, Rule::Exists), |key| made(key, Rule::Absent)))
}

fn field_requirement(resource: &Resource, term: &str) -> Result<Requirement, Failure> {
    let (key, value, is_wanted) = if let Some((key, value)) = term.split_once("!=") {
        (key, value, false)
    } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        (key, value, true)
    } else {
        return Err(Failure::bad_request(format!("invalid field selector: {term:?}")));
    };
    if !is_selectable(resource, key) {
        return Err(Failure::bad_request(format!("field label not supported: {key}")));
    }
    let values = vec![value.to_owned()];
    let rule = if is_wanted { Rule::In(values) } else { Rule::NotIn(values) };
    Ok(Requirement { key: key.to_owned(), rule })
}

/// The real server refuses what it has not been told to index; so do we.
fn is_selectable(resource: &Resource, field: &str) -> bool {
    let event_fields = ["metadata.", "involvedObject.", "regarding.", "reason", "type"];
    let of_kind: &[&str] = match resource.plural.as_str() {
        "pods" => &["spec.nodeName", "spec.restartPolicy", "status.phase", "status.podIP"],
        "nodes" => &["spec.unschedulable"],
        "gamerooms" => &["spec.fleetName"],
        "events" => return event_fields.iter().any(|it| field.starts_with(it)),
        _ => &[],
    };
    matches!(field, "metadata.name" | "metadata.namespace") || of_kind.contains(&field)
}
