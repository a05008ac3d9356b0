//! What our scripts answer, read.

use std::time::Duration;

use bytes::Bytes;
use gamekeeper_room::{Epoch, Tick};
use redis::Value;

use crate::{Bid, StoreError, Taken, Verdict, Written};

pub(super) fn written(value: Value) -> Result<Verdict<Written>, StoreError> {
    verdict(value, |word, fields| match word {
        b"stored" => Some(Written::Stored),
        b"older" => Some(Written::Older { newest: Tick(number(fields.next()?)?) }),
        _ => None,
    })
}

pub(super) fn bid(value: Value) -> Result<Bid, StoreError> {
    match owner_alive(&value) {
        Some(alive) => Ok(alive),
        None => taken(value).map(Bid::Decided),
    }
}

fn owner_alive(value: &Value) -> Option<Bid> {
    let Value::Array(fields) = value else { return None };
    let [Value::BulkString(word), owner, idle] = fields.as_slice() else { return None };
    let owner = match owner {
        Value::Nil => None,
        owner => Some(Epoch(number(owner.clone())?)),
    };
    let idle = milliseconds(idle)?;
    (word.as_slice() == b"alive").then_some(Bid::OwnerAlive { owner, idle })
}

fn taken(value: Value) -> Result<Verdict<Taken>, StoreError> {
    verdict(value, |word, fields| {
        if word != b"taken" {
            return None;
        }
        let wait = milliseconds(&fields.next()?)?;
        let idle = milliseconds(&fields.next()?)?;
        let checkpoint = match (fields.next()?, fields.next()?) {
            (Value::Nil, Value::Nil) => None,
            (by, Value::BulkString(envelope)) => Some((Epoch(number(by)?), envelope.into())),
            _ => return None,
        };
        Some(Taken { wait, idle, is_replicated: false, checkpoint })
    })
}

/// Of a script that has nothing to say but this word.
pub(super) fn done(value: Value, expected: &str) -> Result<Verdict<()>, StoreError> {
    verdict(value, |word, _| (word == expected.as_bytes()).then_some(()))
}

/// Whether the answer to `ROLE` is that of a node with replicas.
pub(super) fn has_replicas(value: &Value) -> bool {
    matches!(value, Value::Array(fields) if matches!(fields.get(2), Some(Value::Array(it)) if !it.is_empty()))
}

type Fields = std::vec::IntoIter<Value>;

/// What all scripts may say, or else what `mine` makes of its own words.
fn verdict<T>(
    value: Value,
    mine: impl FnOnce(&[u8], &mut Fields) -> Option<T>,
) -> Result<Verdict<T>, StoreError> {
    let garbled = || StoreError::Garbled("not an answer of our scripts".to_owned());
    let Value::Array(fields) = value else { return Err(garbled()) };
    let mut fields = fields.into_iter();
    let Some(Value::BulkString(word)) = fields.next() else { return Err(garbled()) };
    let verdict = match word.as_slice() {
        b"fenced" => fenced(&mut fields),
        b"finished" => finished(&mut fields),
        word => mine(word, &mut fields).map(Verdict::Mine),
    };
    verdict.ok_or_else(garbled)
}

fn fenced<T>(fields: &mut Fields) -> Option<Verdict<T>> {
    Some(Verdict::Fenced { owner: Epoch(number(fields.next()?)?) })
}

fn finished<T>(fields: &mut Fields) -> Option<Verdict<T>> {
    let owner = Epoch(number(fields.next()?)?);
    let Value::BulkString(result) = fields.next()? else { return None };
    Some(Verdict::Finished { owner, result: Bytes::from(result) })
}

/// Numbers of 64 bits come as digits.
fn number<N: std::str::FromStr>(value: Value) -> Option<N> {
    let Value::BulkString(digits) = value else { return None };
    str::from_utf8(&digits).ok()?.parse().ok()
}

fn milliseconds(value: &Value) -> Option<Duration> {
    let Value::Int(ms) = value else { return None };
    u64::try_from(*ms).ok().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(fields: &[Value]) -> Value {
        Value::Array(fields.to_vec())
    }

    fn text(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn answers_are_read() {
        assert_eq!(written(array(&[text("stored")])), Ok(Verdict::Mine(Written::Stored)));
        let most = u64::MAX;
        assert_eq!(
            written(array(&[text("older"), text(&most.to_string())])),
            Ok(Verdict::Mine(Written::Older { newest: Tick(most) }))
        );
        assert_eq!(
            done(array(&[text("fenced"), text("9223372036854775807")]), "mine"),
            Ok(Verdict::Fenced { owner: Epoch(i64::MAX) })
        );
        assert_eq!(
            done(array(&[text("finished"), text("5"), text("r")]), "mine"),
            Ok(Verdict::Finished { owner: Epoch(5), result: Bytes::from_static(b"r") })
        );
        let alive = |owner, idle| Ok(Bid::OwnerAlive { owner, idle: Duration::from_millis(idle) });
        assert_eq!(bid(array(&[text("alive"), text("7"), Value::Int(9)])), alive(Some(Epoch(7)), 9));
        assert_eq!(bid(array(&[text("alive"), Value::Nil, Value::Int(0)])), alive(None, 0));
    }

    #[test]
    fn what_our_scripts_never_say_is_not_taken_for_an_answer() {
        let int = Value::Int;
        for value in [
            Value::Nil,
            Value::Okay,
            text("taken"),
            array(&[]),
            array(&[int(1)]),
            array(&[text("mine")]),
            array(&[text("fenced")]),
            array(&[text("fenced"), text("x")]),
            array(&[text("finished"), text("5"), Value::Nil]),
            array(&[text("taken"), int(-1), int(0), Value::Nil, Value::Nil]),
            array(&[text("taken"), int(0), int(0), Value::Nil]),
            array(&[text("taken"), int(0), int(0), text("5"), Value::Nil]),
            array(&[text("alive")]),
            array(&[text("alive"), int(7), int(0)]),
            array(&[text("alive"), text("7"), int(-1)]),
        ] {
            assert!(matches!(bid(value.clone()), Err(StoreError::Garbled(_))), "{value:?}");
        }
    }
}
