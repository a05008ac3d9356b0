//! Keys of tickets, as text: PASERK, `k4.public.…` and `k4.secret.…`.

use std::{fmt, str::FromStr};

use pasetors::{
    keys::{AsymmetricKeyPair, AsymmetricPublicKey, AsymmetricSecretKey, Generate as _},
    paserk::FormatAsPaserk,
    version4::V4,
};

/// Checks tickets. Anybody may know it.
#[derive(Clone)]
pub struct PublicKey(AsymmetricPublicKey<V4>);

/// Signs tickets.
#[derive(Clone)]
pub struct SecretKey(AsymmetricSecretKey<V4>);

/// A text is no key. It is not repeated, since it may be a secret one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a key that begins with {0}")]
pub struct BadKey(&'static str);

const PUBLIC: &str = "k4.public.";
const SECRET: &str = "k4.secret.";

impl PublicKey {
    pub(super) fn inner(&self) -> &AsymmetricPublicKey<V4> {
        &self.0
    }
}

impl SecretKey {
    /// A new key. This is the one place of this crate that asks a random source: for a command that makes
    /// keys, never for a server.
    pub fn generate() -> Result<Self, BadKey> {
        AsymmetricKeyPair::generate().map(|it| Self(it.secret)).map_err(|_| BadKey(SECRET))
    }

    /// The other half of the pair.
    pub fn public(&self) -> Result<PublicKey, BadKey> {
        AsymmetricPublicKey::try_from(&self.0).map(PublicKey).map_err(|_| BadKey(PUBLIC))
    }

    /// The key as text, to be put into a Secret and nowhere else.
    pub fn expose(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = FormatAsPaserk::fmt(&self.0, &mut text);
        text
    }

    pub(super) fn inner(&self) -> &AsymmetricSecretKey<V4> {
        &self.0
    }
}

impl FromStr for PublicKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        AsymmetricPublicKey::try_from(text.trim()).map(Self).map_err(|_| BadKey(PUBLIC))
    }
}

impl FromStr for SecretKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        AsymmetricSecretKey::try_from(text.trim()).map(Self).map_err(|_| BadKey(SECRET))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FormatAsPaserk::fmt(&self.0, f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        FormatAsPaserk::fmt(&self.0, f)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey")
    }
}
