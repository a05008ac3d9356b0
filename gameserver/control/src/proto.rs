//! The protocol as protobuf, with client and server: generated from `proto/control.proto`.
#![allow(missing_docs, reason = "generated: wrappers of documented messages have no comments")]
#![allow(
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    reason = "generated: in the style of its generator"
)]

tonic::include_proto!("gamekeeper.control.v1");
