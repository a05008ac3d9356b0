//! How the fields of all messages are read: each promise of the contract has one function here.

use std::{collections::BTreeMap, net::SocketAddr, ops::RangeInclusive, time::Duration};

use crate::{Malformed, limits};

/// A field that the receiver cannot do without.
pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or(Malformed::Missing { field })
}

/// A text that names something: neither empty nor too long. Cutting it would name something else.
pub(crate) fn identifier(field: &'static str, value: String, limit: usize) -> Result<String, Malformed> {
    if value.is_empty() { Err(Malformed::Missing { field }) } else { at_most(field, value, limit) }
}

/// A text that may be empty, but not too long.
pub(crate) fn at_most(field: &'static str, value: String, limit: usize) -> Result<String, Malformed> {
    let length = value.len();
    if length <= limit { Ok(value) } else { Err(Malformed::TooLong { field, length, limit }) }
}

/// A text for people. What is too long is cut, in and out: nobody shall lose a match over an explanation.
pub(crate) fn text(mut value: String) -> String {
    value.truncate(value.floor_char_boundary(limits::TEXT_BYTES_MAX));
    value
}

/// How many entries a list has.
pub(crate) fn count(field: &'static str, count: usize, limit: usize) -> Result<(), Malformed> {
    if count <= limit { Ok(()) } else { Err(Malformed::TooMany { field, count, limit }) }
}

/// Parameters or results: few and small, keys and values together.
pub(crate) fn values(
    field: &'static str,
    values: BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, Malformed> {
    count(field, values.len(), limits::VALUES_MAX)?;
    let length = limits::values_bytes(&values);
    let limit = limits::VALUES_BYTES_MAX;
    if length <= limit { Ok(values) } else { Err(Malformed::TooLong { field, length, limit }) }
}

/// A number that is one of those agreed.
pub(crate) fn in_range<T>(field: &'static str, value: T, range: RangeInclusive<T>) -> Result<T, Malformed>
where
    T: PartialOrd + Copy + Into<i64>,
{
    if range.contains(&value) {
        return Ok(value);
    }
    let (min, max) = (*range.start(), *range.end());
    Err(Malformed::OutOfRange { field, value: value.into(), min: min.into(), max: max.into() })
}

/// A span of time.
pub(crate) fn milliseconds(
    field: &'static str,
    value: u32,
    range: RangeInclusive<u32>,
) -> Result<Duration, Malformed> {
    in_range(field, value, range).map(|it| Duration::from_millis(it.into()))
}

/// A span of time as it is sent. Longer ones than the wire holds are beyond every limit anyway.
pub(crate) fn whole_milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// A port that can be dialled.
pub(crate) fn port(field: &'static str, value: u32) -> Result<u16, Malformed> {
    let range = 1..=u16::MAX;
    let out_of_range = Malformed::OutOfRange { field, value: value.into(), min: 1, max: i64::from(u16::MAX) };
    u16::try_from(value).ok().filter(|it| range.contains(it)).ok_or(out_of_range)
}

/// `IP:port`, never a name: what is dialled here must not depend on a name service.
pub(crate) fn address(field: &'static str, value: String) -> Result<SocketAddr, Malformed> {
    let value = at_most(field, value, limits::ADDRESS_BYTES_MAX)?;
    let parsed: Option<SocketAddr> = value.parse().ok().filter(|it: &SocketAddr| it.port() != 0);
    parsed.ok_or(Malformed::WrongForm { field, form: "an IP address and a port" })
}

/// Hashes as players pin them.
pub(crate) fn certificate_hashes(field: &'static str, hashes: Vec<String>) -> Result<Vec<String>, Malformed> {
    count(field, hashes.len(), limits::CERTIFICATE_HASHES_MAX)?;
    if hashes.iter().all(|it| is_sha256(it)) {
        Ok(hashes)
    } else {
        Err(Malformed::WrongForm { field, form: "sha256: and 64 hex digits" })
    }
}

fn is_sha256(hash: &str) -> bool {
    hash.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(|it| it.is_ascii_hexdigit()))
}
