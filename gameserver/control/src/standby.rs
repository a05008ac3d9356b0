//! Servers that keep copies of each other's rooms.

use std::{fmt, net::SocketAddr};

use crate::{Malformed, field, limits, proto};

/// What a server shows to its standby: random, told to both by the operator, and to nobody else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub [u8; limits::TOKEN_BYTES]);

/// To a server: send copies of all rooms to this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Of the standby.
    pub address: SocketAddr,
    /// The standby has one of these certificates: `sha256:` and 64 hex digits.
    pub certificate_hashes: Vec<String>,
    /// The one of the standby's tokens that is for this server.
    pub token: Token,
}

/// From a standby: where copies are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StandingBy {
    /// Hashes of the certificates that it may show: `sha256:` and 64 hex digits.
    pub certificate_hashes: Vec<String>,
    /// In the pod.
    pub port: u16,
}

/// Whoever has it may write into a server's memory: it is in no log.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    fn read(field: &'static str, bytes: &[u8]) -> Result<Self, Malformed> {
        let token =
            bytes.try_into().map_err(|_| Malformed::WrongForm { field, form: "a token of 32 bytes" })?;
        Ok(Self(token))
    }
}

pub(crate) fn tokens_from(stand_by: proto::StandBy) -> Result<Vec<Token>, Malformed> {
    let proto::StandBy { tokens } = stand_by;
    field::count("StandBy.tokens", tokens.len(), limits::TOKENS_MAX)?;
    tokens.iter().map(|it| Token::read("StandBy.tokens", it)).collect()
}

pub(crate) fn tokens_to(tokens: Vec<Token>) -> proto::StandBy {
    proto::StandBy { tokens: tokens.into_iter().map(|it| it.0.to_vec()).collect() }
}

/// `None`: to none any more.
pub(crate) fn mirror_from(mirror: proto::Mirror) -> Result<Option<Mirror>, Malformed> {
    let proto::Mirror { address, certificate_hashes, token } = mirror;
    if address.is_empty() {
        return Ok(None);
    }
    Ok(Some(Mirror {
        address: field::address("Mirror.address", address)?,
        certificate_hashes: field::certificate_hashes("Mirror.certificate_hashes", certificate_hashes)?,
        token: Token::read("Mirror.token", &token)?,
    }))
}

pub(crate) fn mirror_to(mirror: Option<Mirror>) -> proto::Mirror {
    let Some(Mirror { address, certificate_hashes, token }) = mirror else { return proto::Mirror::default() };
    proto::Mirror { address: address.to_string(), certificate_hashes, token: token.0.to_vec() }
}

impl TryFrom<proto::StandingBy> for StandingBy {
    type Error = Malformed;

    fn try_from(standing_by: proto::StandingBy) -> Result<Self, Malformed> {
        let proto::StandingBy { certificate_hashes, port } = standing_by;
        Ok(Self {
            certificate_hashes: field::certificate_hashes(
                "StandingBy.certificate_hashes",
                certificate_hashes,
            )?,
            port: field::port("StandingBy.port", port)?,
        })
    }
}

impl From<StandingBy> for proto::StandingBy {
    fn from(standing_by: StandingBy) -> Self {
        let StandingBy { certificate_hashes, port } = standing_by;
        Self { certificate_hashes, port: port.into() }
    }
}
