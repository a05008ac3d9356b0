//! Carries out requests, one at a time, and writes them down.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    answer::{Done, Failure, Reply},
    call::Call,
    faults::Fault,
    log::{Entry, Verb},
    state::State,
    watch::Feed,
};

pub(crate) mod delete;
mod read;
mod subresource;
mod write;

/// What comes back.
#[derive(Debug)]
pub(crate) enum Outcome {
    Object(Done),
    Watch(Feed),
    Failure(Failure),
}

impl State {
    /// Carries out a request, unless the fault keeps it from us.
    pub(crate) fn perform(&mut self, caller: usize, call: &Call, fault: Option<Fault>) -> Outcome {
        let version = self.version;
        let outcome = match fault {
            Some(fault) if fault.is_before() => Outcome::Failure(injected(fault, call)),
            _ if call.verb == Verb::Watch => self.start_watch(caller, call, fault),
            _ => self.answer(caller, call, fault),
        };
        self.collect_garbage();
        let is_lost =
            matches!(fault, Some(Fault::LostBefore | Fault::HangBefore | Fault::Outage | Fault::CrashBefore));
        let code = match &outcome {
            _ if is_lost => 0,
            Outcome::Object(done) => done.code,
            Outcome::Watch(_) => 200,
            Outcome::Failure(failure) => failure.code,
        };
        self.log.push(Entry {
            at: self.clock.elapsed(),
            client: self.callers[caller].name.clone(),
            verb: call.verb,
            group: call.target.group.clone(),
            resource: call.resource_path(),
            namespace: call.target.namespace.clone().unwrap_or_default(),
            name: logged_name(call, &outcome),
            code,
            changed: version < self.version,
            fault,
        });
        match (fault, outcome) {
            (Some(Fault::ErrorAfter), Outcome::Object(_)) => Outcome::Failure(Failure::timeout()),
            (_, Outcome::Object(done)) if call.only_metadata => {
                Outcome::Object(Done { body: Arc::new(only_metadata(&done.body)), ..done })
            }
            (_, outcome) => outcome,
        }
    }

    fn answer(&mut self, caller: usize, call: &Call, fault: Option<Fault>) -> Outcome {
        let reply = self.authorize(caller, call.verb, call).and_then(|()| self.dispatch(caller, call, fault));
        match reply {
            Ok(done) => Outcome::Object(done),
            Err(failure) => Outcome::Failure(failure),
        }
    }

    /// Whether the client may do this.
    pub(crate) fn authorize(&self, caller: usize, verb: Verb, call: &Call) -> Result<(), Failure> {
        let caller = &self.callers[caller];
        let resource = call.resource_path();
        if caller.is_trusted || !self.forbidden.contains(&(verb, resource.clone())) {
            return Ok(());
        }
        let user = format!("system:serviceaccount:test:{}", caller.name);
        Err(Failure::unauthorized(&call.key(), &user, verb.as_str(), &resource))
    }

    fn dispatch(&mut self, caller: usize, call: &Call, fault: Option<Fault>) -> Reply {
        let key = call.key();
        match (call.target.subresource.as_deref(), call.verb) {
            (None, Verb::List) => self.list(call, fault),
            (None | Some("status"), Verb::Get) => self.read(&key, fault),
            (None, Verb::Create) => self.create(call),
            (None, Verb::Delete) => self.delete(&key, call),
            (Some("status"), Verb::Update | Verb::Patch) if !key.resource.has_status() => {
                Err(Failure::no_such_path("status"))
            }
            (None | Some("status"), Verb::Update) => self.replace(&key, call),
            (None | Some("status"), Verb::Patch) => self.patch(caller, &key, call),
            (Some("scale"), Verb::Get | Verb::Update | Verb::Patch) if key.resource.has_scale() => {
                self.scale(&key, call)
            }
            (Some("eviction"), Verb::Create) if key.resource.is_pods() => self.evict(&key, call),
            (Some("binding"), Verb::Create) if key.resource.is_pods() => self.bind(&key, call),
            _ => Err(Failure::method_not_allowed()),
        }
    }
}

/// The object's name, also where the server made it up.
fn logged_name(call: &Call, outcome: &Outcome) -> String {
    match (&call.target.name, outcome) {
        (Some(name), _) => name.clone(),
        (None, Outcome::Object(done)) if call.verb == Verb::Create => {
            done.body["metadata"]["name"].as_str().unwrap_or_default().to_owned()
        }
        _ => call.body["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
    }
}

fn injected(fault: Fault, call: &Call) -> Failure {
    match fault {
        Fault::TooMany => Failure::too_many(),
        Fault::Conflict => Failure::stale(&call.key()),
        Fault::Outage => Failure::unavailable(),
        _ => Failure::internal(),
    }
}

/// What a client sees that asks for metadata only: of an object, or of each in a list.
pub(crate) fn only_metadata(object: &Value) -> Value {
    let kept = |object: &Value| {
        let metadata = &object["metadata"];
        json!({ "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata })
    };
    match object["items"].as_array() {
        None if object["kind"] == "Status" => object.clone(),
        None => kept(object),
        Some(items) => json!({
            "apiVersion": "meta.k8s.io/v1",
            "kind": "PartialObjectMetadataList",
            "metadata": object["metadata"],
            "items": items.iter().map(kept).collect::<Vec<_>>(),
        }),
    }
}
