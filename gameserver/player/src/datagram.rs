//! Datagrams of the unreliable lane: a type, fields, and for snapshots all the rest.

use crate::{Malformed, limits, varint, wire::Reader};

const INPUT: u8 = 0x21;
const SNAPSHOT: u8 = 0x31;
const SNAPSHOT_PART: u8 = 0x32;

/// What a player wants, and what it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// The newest snapshot that the client has; 0: none.
    pub ack: u64,
    /// The number of the first of `inputs`.
    pub first: u64,
    /// One after the other.
    pub inputs: Inputs<'a>,
}

/// The inputs of a datagram, known to be whole. Iterates over them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs<'a> {
    count: usize,
    bytes: &'a [u8],
}

/// What a player sees, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// After which tick; from 1.
    pub tick: u64,
    /// How many ticks before that the baseline was taken; 0: it is full.
    pub distance: u64,
    /// All inputs up to this one came in, or are given up.
    pub input_ack: u64,
    /// Which part this is of how many.
    pub part: Part,
    /// This part of the difference from the baseline, see [`delta`](crate::delta).
    pub body: &'a [u8],
}

/// A part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub index: u8,
    /// 1 for a snapshot that fits into one datagram.
    pub count: u8,
}

impl Part {
    /// A whole snapshot.
    pub const WHOLE: Self = Self { index: 0, count: 1 };
}

impl<'a> Input<'a> {
    /// Puts the datagram into `out`.
    pub fn encode<'i>(
        ack: u64,
        first: u64,
        inputs: impl ExactSizeIterator<Item = &'i [u8]>,
        out: &mut Vec<u8>,
    ) {
        out.clear();
        out.push(INPUT);
        varint::put(ack, out);
        varint::put(first, out);
        varint::put(inputs.len() as u64, out);
        inputs.for_each(|it| crate::wire::put_bytes(it, out));
    }

    /// Reads a datagram to a server. `None`: of a type that this release does not know.
    pub fn parse(datagram: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(datagram);
        if reader.byte("datagram.type")? != INPUT {
            return Ok(None);
        }
        let ack = reader.number("Input.ack")?;
        let first = reader.number("Input.first")?;
        if first == 0 {
            return Err(Malformed::BadValue { field: "Input.first", value: 0 });
        }
        let count = reader.count("Input.inputs", limits::INPUTS_PER_DATAGRAM_MAX)?;
        let bytes = reader.rest();
        for _ in 0..count {
            reader.bytes("Input.inputs", limits::INPUT_BYTES_MAX)?;
        }
        Ok(Some(Self { ack, first, inputs: Inputs { count, bytes } }))
    }
}

impl<'a> Iterator for Inputs<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        let mut reader = Reader::new(self.bytes);
        let input = reader.bytes("Input.inputs", limits::INPUT_BYTES_MAX).ok()?;
        self.bytes = reader.rest();
        Some(input)
    }
}

impl<'a> Snapshot<'a> {
    /// Puts the datagram into `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self { tick, distance, input_ack, part, body } = *self;
        out.clear();
        out.push(if part == Part::WHOLE { SNAPSHOT } else { SNAPSHOT_PART });
        varint::put(tick, out);
        varint::put(distance, out);
        varint::put(input_ack, out);
        if part != Part::WHOLE {
            out.extend([part.index, part.count]);
        }
        out.extend_from_slice(body);
    }

    /// Reads a datagram to a client. `None`: of a type that this release does not know.
    pub fn parse(datagram: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(datagram);
        let kind = reader.byte("datagram.type")?;
        if kind != SNAPSHOT && kind != SNAPSHOT_PART {
            return Ok(None);
        }
        let bad = |field, value| Err(Malformed::BadValue { field, value });
        let tick = reader.number("Snapshot.tick")?;
        if tick == 0 {
            return bad("Snapshot.tick", tick);
        }
        let distance = reader.number("Snapshot.distance")?;
        if tick <= distance {
            return bad("Snapshot.distance", distance);
        }
        let input_ack = reader.number("Snapshot.input_ack")?;
        let mut part = Part::WHOLE;
        if kind == SNAPSHOT_PART {
            let [index, count] = reader.fixed("Snapshot.part")?;
            if usize::from(count) > limits::PARTS_MAX {
                return bad("Snapshot.count", count.into());
            }
            if index >= count {
                return bad("Snapshot.index", index.into());
            }
            part = Part { index, count };
        }
        let body = reader.rest();
        if limits::DATAGRAM_BYTES_MAX < body.len() {
            let (length, limit) = (body.len() as u64, limits::DATAGRAM_BYTES_MAX);
            return Err(Malformed::TooLong { field: "Snapshot.body", length, limit });
        }
        Ok(Some(Self { tick, distance, input_ack, part, body }))
    }
}
