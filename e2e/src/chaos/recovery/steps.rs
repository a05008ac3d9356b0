//! What the logs of operators and servers tell of a recovery, step by step.

use gamekeeper_checker::record::Step;
use jiff::Timestamp;
use serde_json::Value;

use crate::clock::Clocks;

/// The messages that are steps, and what the steps are called. All but `fenced` are operators'.
const MESSAGES: [(&str, &str); 6] = [
    ("suspected", NOTICED),
    ("confirmed", CONFIRMED),
    ("placed anew", "placed"),
    ("taken", "fenced"),
    ("recovered", "status"),
    ("leading", LEADING),
];

/// A server is not what it should be.
pub(super) const NOTICED: &str = "noticed";

/// It is lost.
pub(super) const CONFIRMED: &str = "confirmed";

/// Another operator leads from now on.
pub(super) const LEADING: &str = "leading";

/// Reads a line of a container's log as the kubelet keeps it: when, by which stream, whole or a part, and the text.
/// `None`: it is no step, or not of this namespace.
pub(super) fn read(line: &str, namespace: &str, clocks: &Clocks) -> Option<Step> {
    let text = line.splitn(4, ' ').nth(3)?;
    let entry: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| entry[name].as_str().map(ToOwned::to_owned);
    let message = field("message")?;
    let (_, name) = MESSAGES.into_iter().find(|(it, _)| *it == message)?;
    // Who leads concerns all.
    if entry["namespace"].as_str().is_some_and(|it| it != namespace) {
        return None;
    }
    let day: Timestamp = field("timestamp")?.parse().ok()?;
    let (room, server, kind) = (field("room"), field("server"), field("kind"));
    Some(Step { step: name.to_owned(), mono_ns: clocks.moment_of(day).0, room, server, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(entry: &str) -> String {
        format!("2026-01-02T03:04:05.700000001Z stderr F {entry}")
    }

    #[test]
    fn a_step_is_read_with_what_it_is_about() {
        let clocks = Clocks::now();
        let entry = r#"{"timestamp":"2026-01-02T03:04:05.600000Z","level":"INFO","message":"confirmed","namespace":"games","server":"arena-1","kind":"Hang","since_ms":310}"#;
        let step = read(&line(entry), "games", &clocks).unwrap();
        assert_eq!((step.step.as_str(), step.server.as_deref()), (CONFIRMED, Some("arena-1")));
        assert_eq!((step.room, step.kind.as_deref()), (None, Some("Hang")));
        assert_eq!(step.mono_ns, clocks.moment_of("2026-01-02T03:04:05.6Z".parse().unwrap()).0);
        assert_eq!(read(&line(entry), "other", &clocks), None);
    }

    #[test]
    fn what_is_no_step_is_left_out() {
        let clocks = Clocks::now();
        let room = r#"{"timestamp":"2026-01-02T03:04:05Z","message":"room","namespace":"games"}"#;
        for other in [room, "not JSON", "{}", r#"{"message":"confirmed","namespace":"games"}"#] {
            assert_eq!(read(&line(other), "games", &clocks), None, "{other}");
        }
        assert_eq!(read("cut", "games", &clocks), None);
    }

    #[test]
    fn who_leads_concerns_every_namespace() {
        let entry = r#"{"timestamp":"2026-01-02T03:04:05Z","message":"leading","identity":"a","term":2}"#;
        assert_eq!(read(&line(entry), "games", &Clocks::now()).unwrap().step, LEADING);
    }
}
