//! The certificates that a server makes for itself. Players know them by their hashes, which the room's
//! status tells; there is no authority, and no name in them that means anything.

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use std::{fmt::Write as _, time::Duration};
use time::OffsetDateTime;

/// How long a certificate is good for. Browsers pin none that is good for more than 14 days.
pub(crate) const LIFETIME: Duration = Duration::from_hours(13 * 24);

/// It is good from some time before it is made: players' clocks are not ours.
const SKEW: Duration = Duration::from_hours(1);

/// Its name, for whoever looks: nobody checks it.
const NAME: &str = "gamekeeper.invalid";

/// A certificate with its key.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// A new one, good from now on.
    pub(crate) fn make(now: OffsetDateTime) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new([NAME.to_owned()])?;
        params.distinguished_name = DistinguishedName::new();
        params.not_before = now - SKEW;
        params.not_after = now - SKEW + LIFETIME;
        let certificate = params.self_signed(&key)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Self { der: certificate.der().clone(), key })
    }

    /// As the room's status tells it: `sha256:` and the hash of the whole certificate in hex.
    pub(crate) fn hash(&self) -> String {
        Sha256::digest(&self.der).iter().fold("sha256:".to_owned(), |mut text, byte| {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_certificate_is_another_and_is_told_by_its_hash() {
        let now = OffsetDateTime::now_utc();
        let (one, other) = (Certificate::make(now).unwrap(), Certificate::make(now).unwrap());
        assert_ne!(one.hash(), other.hash());
        assert_eq!(one.hash().len(), "sha256:".len() + 64);
        assert_eq!(one.hash(), one.hash());
    }
}
