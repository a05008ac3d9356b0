//! Where players go when this server is lost: what the operator says, as one place of the players' protocol.

use gamekeeper_control::{Fallback, Transport};
use gamekeeper_player::{
    frame::{Endpoint, Place},
    limits,
};

/// All servers as one place, in their order, as far as it may be told. A server is told whole or not at all: without its
/// certificate nobody gets in. Who has none is not one of ours, whose players always know it by its certificate.
pub(crate) fn merged(servers: Vec<Fallback>) -> Place {
    let mut place = Place::default();
    for Fallback { endpoints, certificate_hashes } in servers {
        let udp = endpoints.into_iter().filter(|it| it.protocol == Transport::Udp);
        let endpoints: Vec<_> = udp.map(|it| Endpoint { address: it.address, port: it.port }).collect();
        let hashes: Vec<_> = certificate_hashes.iter().filter_map(|it| digest(it)).collect();
        let fits = place.endpoints.len() + endpoints.len() <= limits::ENDPOINTS_MAX
            && place.certificate_hashes.len() + hashes.len() <= limits::CERTIFICATE_HASHES_MAX;
        if fits && !endpoints.is_empty() && !hashes.is_empty() {
            place.endpoints.extend(endpoints);
            place.certificate_hashes.extend(hashes);
        }
    }
    place
}

/// `sha256:` and 64 hex digits, as bytes.
fn digest(hash: &str) -> Option<[u8; limits::CERTIFICATE_HASH_BYTES]> {
    let digits = hash.strip_prefix("sha256:")?.as_bytes();
    let pairs = digits.chunks(2).map(|it| u8::from_str_radix(str::from_utf8(it).ok()?, 16).ok());
    pairs.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(port: u16, endpoints: usize, hashes: usize) -> Fallback {
        let endpoint = |protocol| gamekeeper_control::Endpoint {
            name: "game".to_owned(),
            protocol,
            address: "198.18.0.2".to_owned(),
            port,
        };
        let mut all = vec![endpoint(Transport::Udp); endpoints];
        all.push(endpoint(Transport::Tcp));
        Fallback {
            endpoints: all,
            certificate_hashes: vec![format!("sha256:{}", format!("{port:02x}").repeat(32)); hashes],
        }
    }

    fn ports(place: &Place) -> Vec<u16> {
        place.endpoints.iter().map(|it| it.port).collect()
    }

    #[test]
    fn all_servers_are_told_in_their_order_with_all_certificates() {
        let place = merged(vec![server(7, 1, 1), server(3, 2, 2)]);
        assert_eq!(ports(&place), [7, 3, 3]);
        assert_eq!(place.certificate_hashes, [[7; 32], [3; 32], [3; 32]]);
    }

    #[test]
    fn a_server_is_told_whole_or_not_at_all() {
        assert_eq!(merged(vec![server(7, 1, 0), server(8, 0, 1)]), Place::default());
        let many = merged(vec![server(1, 8, 1), server(2, 9, 1), server(3, 8, 1), server(4, 1, 1)]);
        assert_eq!((many.endpoints.len(), many.certificate_hashes.len()), (16, 2));
        let known = merged(vec![server(1, 1, 4), server(2, 1, 4), server(3, 1, 1)]);
        assert_eq!(ports(&known), [1, 2]);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        assert_eq!(digest(&format!("sha256:{}", "0F".repeat(32))), Some([15; 32]));
        for wrong in ["sha256:", "sha256:0f", "0f", "sha256:é"] {
            assert_eq!(digest(wrong), None, "{wrong}");
        }
    }
}
