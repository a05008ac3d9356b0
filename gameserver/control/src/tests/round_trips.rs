//! What is sent is what is received.

use std::{cell::RefCell, collections::HashSet, mem::discriminant};

use proptest::test_runner::{Config, TestRunner};
use prost::Message as _;

use super::{contract, generate};
use crate::{ToOperator, ToServer, proto};

/// Of each kind of message.
fn runner() -> TestRunner {
    TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(64) })
}

#[test]
fn every_message_to_a_server_arrives_as_it_was_sent() {
    let kinds = RefCell::new(HashSet::new());
    for strategy in generate::to_server() {
        runner()
            .run(&strategy, |sent| {
                kinds.borrow_mut().insert(discriminant(&sent));
                let bytes = proto::OperatorMessage::from(sent.clone()).encode_to_vec();
                let received = proto::OperatorMessage::decode(bytes.as_slice()).unwrap();
                assert_eq!(ToServer::parse(received), Ok(Some(sent)));
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(kinds.into_inner().len(), contract::kinds_of("OperatorMessage"), "each kind is generated");
}

#[test]
fn every_message_to_the_operator_arrives_as_it_was_sent() {
    let kinds = RefCell::new(HashSet::new());
    for strategy in generate::to_operator() {
        runner()
            .run(&strategy, |sent| {
                kinds.borrow_mut().insert(discriminant(&sent));
                let bytes = proto::ServerMessage::from(sent.clone()).encode_to_vec();
                let received = proto::ServerMessage::decode(bytes.as_slice()).unwrap();
                assert_eq!(ToOperator::parse(received), Ok(Some(sent)));
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(kinds.into_inner().len(), contract::kinds_of("ServerMessage"), "each kind is generated");
}
