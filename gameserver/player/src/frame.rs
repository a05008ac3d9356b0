//! Frames of the reliable lane: a length, a type, fields.

mod to_player;
mod to_server;

pub use to_player::{Endpoint, Joined, Place, Redirect, Refused, RefusedWhy, ToPlayer};
pub use to_server::{Credentials, Join, Role, Secret, ToServer};

use crate::{Malformed, varint};

/// Where the first frame is in `bytes`: how long its length is, and what that says. `None`: not all of it
/// is there.
pub(crate) fn first(bytes: &[u8], limit: usize) -> Result<Option<(usize, usize)>, Malformed> {
    let mut rest = bytes;
    let Some(length) = varint::take(&mut rest) else { return Ok(None) };
    let field = "frame";
    let body = usize::try_from(length).ok().filter(|it| *it <= limit);
    let body = body.ok_or(Malformed::TooLong { field, length, limit })?;
    if body == 0 {
        return Err(Malformed::Empty { field });
    }
    Ok((body <= rest.len()).then(|| (bytes.len() - rest.len(), body)))
}

/// Appends a frame: its type, and what `fields` writes, with the length of both in front.
fn put(kind: u8, out: &mut Vec<u8>, fields: impl FnOnce(&mut Vec<u8>)) {
    let mut body = vec![kind];
    fields(&mut body);
    varint::put(body.len() as u64, out);
    out.append(&mut body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_taken_when_all_of_it_is_there() {
        assert_eq!(first(&[], 9), Ok(None));
        assert_eq!(first(&[0x40], 9), Ok(None));
        assert_eq!(first(&[2, 1], 9), Ok(None));
        assert_eq!(first(&[2, 1, 7, 7], 9), Ok(Some((1, 2))));
        assert_eq!(first(&[0x40, 2, 1, 7], 9), Ok(Some((2, 2))));
    }

    #[test]
    fn a_frame_of_nothing_or_of_too_much_is_refused_before_it_is_there() {
        assert_eq!(first(&[0], 9), Err(Malformed::Empty { field: "frame" }));
        assert_eq!(first(&[10], 9), Err(Malformed::TooLong { field: "frame", length: 10, limit: 9 }));
    }
}
