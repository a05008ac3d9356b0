//! Step 2: a spec as it stands becomes one that can be carried out, or says what to change.
//!
//! The API server has enforced what CEL can state; this is the rest.

use std::{num::TryFromIntError, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use gamekeeper_crds::{
    GROUP, GameFleet, GameFleetSpec, GoDuration, PodTemplate,
    duration::NotADuration,
    fleet::{self, AddressType, Admission, PlacementStrategy, Port, Protocol},
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{pod::VARIABLES, ports::Ranges};
use crate::server::probe::{Probe, Question};

/// A fleet's spec, ready to be carried out.
#[derive(Clone, Debug, PartialEq)]
pub struct Valid {
    pub desired: usize,
    pub max_surge: usize,
    pub max_unavailable: usize,
    pub serving: Arc<Serving>,
    pub start_timeout: Duration,
    pub strategy: PlacementStrategy,
    pub history_limit: usize,
    pub template: PodTemplate,
}

/// What is needed to use the servers that are there.
#[derive(Clone, Debug, PartialEq)]
pub struct Serving {
    pub ports: Vec<Port>,
    pub address_types: Vec<AddressType>,
    pub probe: Option<Arc<Probe>>,
    /// How many rooms a server hosts at most, if it offers that many.
    pub max_rooms: usize,
    /// How long a room waits for its first player.
    pub claim_timeout: Duration,
    /// How often controlled servers are to give a sign of life.
    pub heartbeat: Duration,
    /// After which silence they hang.
    pub hang_timeout: Duration,
    /// The fleet has a store for the state of rooms.
    pub has_store: bool,
    /// After so long without a word of the operator or of the store, its servers freeze their rooms.
    pub fence_after: Duration,
    /// Its servers have standbys.
    pub has_standbys: bool,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            address_types: Vec::new(),
            probe: None,
            max_rooms: ROOMS_MAX,
            claim_timeout: LONGEST,
            heartbeat: HEARTBEAT,
            hang_timeout: HANG_TIMEOUT,
            has_store: false,
            fence_after: LONGEST,
            has_standbys: false,
        }
    }
}

/// No duration of a spec is longer: a year is for ever, and sums of times must not overflow.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// As many rooms as the control protocol lets a server have.
const ROOMS_MAX: usize = gamekeeper_control::limits::ROOMS_MAX;

/// Where the spec cannot be understood: the defaults of the definition.
const HEARTBEAT: Duration = Duration::from_millis(100);
const HANG_TIMEOUT: Duration = Duration::from_millis(300);

impl Serving {
    /// As far as a spec says it that cannot be carried out: its servers stay, and so do their rooms.
    pub fn of_invalid(fleet: &GameFleet) -> Self {
        let spec = &fleet.spec;
        let probe = spec.health.probe.as_ref().and_then(|it| probe(it, &spec.ports).ok());
        Self {
            ports: spec.ports.clone(),
            address_types: spec.address_types.clone(),
            probe: probe.map(Arc::new),
            ..Self::default()
        }
    }
}

/// What to change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("spec.{field}: {source}")]
    Duration { field: &'static str, source: NotADuration },
    #[error("spec.{field}: {value} is out of range")]
    Number { field: &'static str, value: i32 },
    #[error("spec.rollout.rollingUpdate.{field}: {value:?} is neither a number nor a percentage")]
    Share { field: &'static str, value: String },
    #[error("spec.health.probe.{field}: no port is named {name:?}; name one of spec.ports, or give a number")]
    PortName { field: &'static str, name: String },
    #[error("spec.health.probe.udp.{field} is not base64: {reason}")]
    Base64 { field: &'static str, reason: String },
    #[error("spec.health.probe.{0} is missing: it must be there with this type")]
    MissingProbe(&'static str),
    #[error(
        "spec.ports: port {port:?} wants host ports of range {range:?}, which the operator does not have; it has {known}"
    )]
    Range { port: String, range: String, known: String },
    #[error(
        "spec.health.hangTimeout: {hang_timeout:?} is shorter than two beats of spec.control.heartbeat ({heartbeat:?}); a single late beat would be a hang"
    )]
    HangTimeout { hang_timeout: Duration, heartbeat: Duration },
    #[error("spec.{0} is missing: it must be there with admission Ticket")]
    NoTickets(&'static str),
    #[error("spec.control is missing: it must be there with spec.state")]
    StateWithoutControl,
    #[error("spec.state.fenceAfter must be at least twice spec.state.checkpointInterval")]
    FenceAfter,
    #[error("spec.template.spec.containers: the variable {name} is the operator's; remove it from env")]
    ReservedVariable { name: &'static str },
    #[error("spec.template.metadata: {key:?} is the operator's; choose a key without {GROUP}")]
    ReservedKey { key: String },
    #[error(
        "spec.template.spec.containers: port {port} sets hostPort {host_port}, but the operator assigns it; remove it, or the port from spec.ports"
    )]
    HostPort { port: i32, host_port: i64 },
}

impl Valid {
    /// Checks `fleet` against what the operator has.
    pub fn of(fleet: &GameFleet, ranges: &Ranges) -> Result<Self, Invalid> {
        let spec = &fleet.spec;
        let desired = count("replicas", spec.replicas)?;
        let rolling = &spec.rollout.rolling_update;
        let surge = share("maxSurge", &rolling.max_surge, desired, true)?;
        let unavailable = share("maxUnavailable", &rolling.max_unavailable, desired, false)?;
        check_ranges(&spec.ports, ranges)?;
        check_admission(spec)?;
        check_template(&spec.template, &spec.ports)?;
        Ok(Self {
            desired,
            max_surge: surge,
            // Both can round to zero; then one server at a time is taken away, as a Deployment does.
            max_unavailable: if surge == 0 { unavailable.max(1) } else { unavailable },
            serving: Arc::new(Serving {
                ports: spec.ports.clone(),
                address_types: spec.address_types.clone(),
                probe: spec.health.probe.as_ref().map(|it| probe(it, &spec.ports)).transpose()?.map(Arc::new),
                max_rooms: match spec.rooms.max_per_server {
                    Some(number) => count("rooms.maxPerServer", number)?,
                    None => ROOMS_MAX,
                },
                claim_timeout: duration("rooms.claimTimeout", &spec.rooms.claim_timeout)?,
                heartbeat: heartbeat(fleet)?,
                hang_timeout: hang_timeout(fleet)?,
                has_store: spec.state.is_some(),
                fence_after: check_state(spec)?.unwrap_or(LONGEST),
                has_standbys: spec.state.as_ref().is_some_and(|it| it.standby),
            }),
            start_timeout: duration("health.startTimeout", &spec.health.start_timeout)?,
            strategy: spec.placement.strategy,
            history_limit: count("revisionHistoryLimit", spec.revision_history_limit)?,
            template: spec.template.clone(),
        })
    }
}

fn heartbeat(fleet: &GameFleet) -> Result<Duration, Invalid> {
    let control = fleet.spec.control.as_ref();
    control.map_or(Ok(HEARTBEAT), |it| duration("control.heartbeat", &it.heartbeat))
}

fn hang_timeout(fleet: &GameFleet) -> Result<Duration, Invalid> {
    let hang_timeout = duration("health.hangTimeout", &fleet.spec.health.hang_timeout)?;
    let heartbeat = heartbeat(fleet)?;
    // One lost beat must not be a hang.
    if fleet.spec.control.is_some() && hang_timeout < 2 * heartbeat {
        return Err(Invalid::HangTimeout { hang_timeout, heartbeat });
    }
    Ok(hang_timeout)
}

fn count(field: &'static str, value: i32) -> Result<usize, Invalid> {
    usize::try_from(value).map_err(|_: TryFromIntError| Invalid::Number { field, value })
}

fn duration(field: &'static str, value: &GoDuration) -> Result<Duration, Invalid> {
    let parsed = value.parse().map_err(|source| Invalid::Duration { field, source })?;
    Ok(parsed.min(LONGEST))
}

/// A number of servers, or a percentage of those wanted.
fn share(field: &'static str, value: &IntOrString, of: usize, round_up: bool) -> Result<usize, Invalid> {
    match value {
        IntOrString::Int(number) => count(field, *number),
        IntOrString::String(text) => {
            let bad = || Invalid::Share { field, value: text.clone() };
            let Some(percent) = text.strip_suffix('%') else { return text.parse().map_err(|_| bad()) };
            let percent: usize = percent.parse().map_err(|_| bad())?;
            let hundredths = of.saturating_mul(percent);
            Ok(if round_up { hundredths.div_ceil(100) } else { hundredths / 100 })
        }
    }
}

fn probe(probe: &fleet::Probe, ports: &[Port]) -> Result<Probe, Invalid> {
    use fleet::ProbeType::{GRPC, HTTP, TCP, UDP};
    let (question, port) = match probe.type_ {
        UDP => {
            let udp = probe.udp.as_ref().ok_or(Invalid::MissingProbe("udp"))?;
            let expect = udp.expect.as_deref().map(|it| bytes("expect", it)).transpose()?;
            let question =
                Question::Udp { send: bytes("send", &udp.send)?, expect: expect.unwrap_or_default() };
            (question, port("udp.port", &udp.port, Protocol::UDP, ports)?)
        }
        TCP => {
            let tcp = probe.tcp.as_ref().ok_or(Invalid::MissingProbe("tcp"))?;
            (Question::Tcp, port("tcp.port", &tcp.port, Protocol::TCP, ports)?)
        }
        HTTP => {
            let http = probe.http.as_ref().ok_or(Invalid::MissingProbe("http"))?;
            (Question::Http { path: http.path.clone() }, port("http.port", &http.port, Protocol::TCP, ports)?)
        }
        GRPC => {
            let grpc = probe.grpc.as_ref().ok_or(Invalid::MissingProbe("grpc"))?;
            (
                Question::Grpc { service: grpc.service.clone() },
                port("grpc.port", &grpc.port, Protocol::TCP, ports)?,
            )
        }
    };
    let threshold = probe.failure_threshold;
    Ok(Probe {
        question,
        port,
        period: duration("health.probe.period", &probe.period)?,
        timeout: duration("health.probe.timeout", &probe.timeout)?,
        failure_threshold: u32::try_from(threshold)
            .map_err(|_| Invalid::Number { field: "health.probe.failureThreshold", value: threshold })?,
    })
}

fn bytes(field: &'static str, text: &str) -> Result<Vec<u8>, Invalid> {
    BASE64.decode(text).map_err(|it| Invalid::Base64 { field, reason: it.to_string() })
}

fn port(field: &'static str, port: &IntOrString, protocol: Protocol, ports: &[Port]) -> Result<u16, Invalid> {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => {
            let named = ports.iter().find(|it| it.name == *name && it.protocol == protocol);
            // A number in quotes is a number too.
            let number = named.map(|it| it.container_port).or_else(|| name.parse().ok());
            number.ok_or_else(|| Invalid::PortName { field, name: name.clone() })?
        }
    };
    u16::try_from(number).map_err(|_| Invalid::Number { field, value: number })
}

fn check_ranges(ports: &[Port], ranges: &Ranges) -> Result<(), Invalid> {
    for port in ports {
        let Some(range) = port.exposure.host_port_range() else { continue };
        if ranges.get(range).is_none() {
            let (port, range) = (port.name.clone(), range.to_owned());
            return Err(Invalid::Range { port, range, known: ranges.names() });
        }
    }
    Ok(())
}

/// CEL takes a null for a value where a field may be null.
fn check_admission(spec: &GameFleetSpec) -> Result<(), Invalid> {
    match spec.admission {
        Admission::Ticket if spec.tickets.is_none() => Err(Invalid::NoTickets("tickets")),
        Admission::Ticket if spec.control.is_none() => Err(Invalid::NoTickets("control")),
        Admission::Ticket | Admission::Open => Ok(()),
    }
}

/// The fence's time, if there is a store.
fn check_state(spec: &GameFleetSpec) -> Result<Option<Duration>, Invalid> {
    let Some(state) = &spec.state else { return Ok(None) };
    let interval = duration("state.checkpointInterval", &state.checkpoint_interval)?;
    let fence_after = duration("state.fenceAfter", &state.fence_after)?;
    match spec.control {
        None => Err(Invalid::StateWithoutControl),
        Some(_) if fence_after < interval.saturating_mul(2) => Err(Invalid::FenceAfter),
        Some(_) => Ok(Some(fence_after)),
    }
}

fn check_template(template: &PodTemplate, ports: &[Port]) -> Result<(), Invalid> {
    let metadata = template.0.get("metadata");
    let keys = ["labels", "annotations"].into_iter().filter_map(|it| metadata?[it].as_object());
    if let Some(key) = keys.flat_map(|it| it.keys()).find(|it| is_reserved(it)) {
        return Err(Invalid::ReservedKey { key: key.clone() });
    }
    // Of the game server only: other containers are not told anything.
    let server = template.containers().first();
    let mut variables = server.and_then(|it| it["env"].as_array()).into_iter().flatten();
    let reserved = |it: &serde_json::Value| VARIABLES.into_iter().find(|name| it["name"] == **name);
    if let Some(name) = variables.find_map(reserved) {
        return Err(Invalid::ReservedVariable { name });
    }
    let assigned = |it: &serde_json::Value| {
        let protocol = it["protocol"].as_str().unwrap_or(Protocol::TCP.as_str());
        let is_ours = |port: &&Port| {
            port.exposure.host_port_range().is_some()
                && it["containerPort"].as_i64() == Some(port.container_port.into())
                && protocol == port.protocol.as_str()
        };
        ports.iter().find(is_ours).map(|it| it.container_port).zip(it["hostPort"].as_i64())
    };
    let mut listed = template.containers().iter().filter_map(|it| it["ports"].as_array()).flatten();
    match listed.find_map(assigned) {
        Some((port, host_port)) => Err(Invalid::HostPort { port, host_port }),
        None => Ok(()),
    }
}

fn is_reserved(key: &str) -> bool {
    key.split_once('/').is_some_and(|(prefix, _)| prefix == GROUP)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "reads better without an ampersand at every case")]
    fn check(change: serde_json::Value) -> Result<Valid, Invalid> {
        let mut fleet = json!({
            "apiVersion": "gamekeeper.dev/v1alpha1", "kind": "GameFleet", "metadata": { "name": "arena" },
            "spec": {
                "replicas": 10, "admission": "Open",
                "ports": [{ "name": "game", "containerPort": 7777 }],
                "template": { "spec": { "containers": [{ "name": "server", "image": "arena" }] } },
            },
        });
        json_patch::merge(&mut fleet, &json!({ "spec": change }));
        Valid::of(&serde_json::from_value(fleet).unwrap(), &"default=7000-7099".parse().unwrap())
    }

    #[test]
    fn a_spec_is_understood_with_its_defaults() {
        let valid = check(json!({})).unwrap();
        assert_eq!((valid.desired, valid.max_surge, valid.max_unavailable), (10, 3, 2));
        assert_eq!(valid.start_timeout, Duration::from_mins(1));
    }

    #[test]
    fn a_rollout_can_always_begin() {
        let rolling = json!({ "rollout": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "25%" } }, "replicas": 1 });
        let valid = check(rolling).unwrap();
        assert_eq!((valid.max_surge, valid.max_unavailable), (0, 1));
    }

    #[test]
    fn a_named_port_is_found_and_payloads_are_decoded() {
        let udp = json!({ "health": { "probe": { "type": "UDP", "udp": { "port": "game", "send": "cHJvYmU=", "expect": "b2s=" } } } });
        let probe = check(udp).unwrap().serving.probe.clone().unwrap();
        assert_eq!(probe.port, 7777);
        assert_eq!(probe.question, Question::Udp { send: b"probe".into(), expect: b"ok".into() });
    }

    /// A template in which the container of this name sets a variable.
    fn variable(container: &str, variable: &str) -> serde_json::Value {
        let env =
            |of: &str| if of == container { json!([{ "name": variable, "value": "" }]) } else { json!([]) };
        let containers = ["server", "voice"].map(|it| json!({ "name": it, "env": env(it) }));
        json!({ "template": { "spec": { "containers": containers } } })
    }

    #[test]
    fn what_cannot_be_carried_out_says_what_to_change() {
        let tickets = json!({ "publicKeySecretKeyRef": { "name": "arena-tickets" } });
        let redis = json!({ "urlSecretKeyRef": { "name": "redis" } });
        let container = |ports: serde_json::Value| json!({ "template": { "spec": { "containers": [{ "name": "server", "ports": ports }] } } });
        for (change, message) in [
            (json!({ "health": { "startTimeout": "1 parsec" } }), "spec.health.startTimeout"),
            (json!({ "rollout": { "rollingUpdate": { "maxSurge": "some" } } }), "maxSurge"),
            (
                json!({ "health": { "probe": { "type": "TCP", "tcp": { "port": "game" } } } }),
                "no port is named \"game\"",
            ),
            (
                json!({ "health": { "probe": { "type": "UDP", "udp": { "port": 1, "send": "cHJvYmU" } } } }),
                "not base64",
            ),
            (
                json!({ "ports": [{ "name": "game", "containerPort": 1, "exposure": { "type": "HostPort", "range": "edge" } }] }),
                "it has default",
            ),
            (
                json!({ "template": { "metadata": { "labels": { "gamekeeper.dev/fleet": "x" } } } }),
                "is the operator's",
            ),
            (
                container(json!([{ "containerPort": 7777, "protocol": "UDP", "hostPort": 9 }])),
                "the operator assigns it",
            ),
            (json!({ "admission": "Ticket", "control": {}, "tickets": null }), "spec.tickets is missing"),
            (
                json!({ "admission": "Ticket", "control": null, "tickets": tickets }),
                "spec.control is missing",
            ),
            (variable("server", "GAMEKEEPER_ADMISSION"), "GAMEKEEPER_ADMISSION is the operator's"),
            (variable("server", "GAMEKEEPER_TICKET_KEY"), "GAMEKEEPER_TICKET_KEY is the operator's"),
            (variable("server", "GAMEKEEPER_STATE_URL"), "GAMEKEEPER_STATE_URL is the operator's"),
            (json!({ "control": null, "state": { "redis": redis } }), "spec.control is missing"),
            (
                json!({ "control": {}, "state": { "redis": redis, "checkpointInterval": "soon" } }),
                "spec.state.checkpointInterval",
            ),
            (json!({ "control": {}, "state": { "redis": redis, "fenceAfter": "199ms" } }), "at least twice"),
        ] {
            let error = check(change.clone()).unwrap_err().to_string();
            assert!(error.contains(message), "{change}: {error}");
        }
        assert!(check(variable("voice", "GAMEKEEPER_TICKET_KEY")).is_ok(), "the first container's only");
        assert!(check(json!({ "admission": "Ticket", "control": {}, "tickets": tickets })).is_ok());
        assert!(check(json!({ "control": {}, "state": { "redis": redis, "fenceAfter": "200ms" } })).is_ok());
        // The same number over TCP is another port, and the template's business.
        assert!(check(container(json!([{ "containerPort": 7777, "hostPort": 9 }]))).is_ok());
    }
}
