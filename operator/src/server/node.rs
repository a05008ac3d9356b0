//! A node, parsed once: whether it takes servers, and where players reach them.

use std::net::{IpAddr, SocketAddr};

use gamekeeper_crds::{fleet::AddressType, labels};
use k8s_openapi::api::core::v1 as core;
use kube::ResourceExt as _;

/// Where kubelets listen, unless their node says otherwise.
const KUBELET_PORT: u16 = 10250;

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    /// Cordoned: somebody wants it empty.
    pub is_cordoned: bool,
    /// The control plane hears its kubelet.
    pub is_ready: bool,
    /// Type and address, as the node's status has them.
    pub addresses: Vec<(String, String)>,
    /// The address that its annotation asks for.
    pub public_address: Option<String>,
    /// Where its kubelet listens: whoever reaches that reaches the node.
    pub kubelet: Option<SocketAddr>,
}

impl Node {
    /// Reads what we need.
    pub fn parse(node: &core::Node) -> Self {
        let status = node.status.as_ref();
        let conditions = status.and_then(|it| it.conditions.as_ref()).into_iter().flatten();
        let addresses = status.and_then(|it| it.addresses.as_ref()).into_iter().flatten();
        let mut inner = addresses.clone().filter(|it| it.type_ == "InternalIP");
        let inner = inner.find_map(|it| it.address.parse::<IpAddr>().ok());
        let endpoints = status.and_then(|it| it.daemon_endpoints.as_ref());
        let port = endpoints.and_then(|it| u16::try_from(it.kubelet_endpoint.as_ref()?.port).ok());
        let kubelet = inner.map(|it| SocketAddr::new(it, port.unwrap_or(KUBELET_PORT)));
        Self {
            name: node.name_any(),
            uid: node.uid().unwrap_or_default(),
            resource_version: node.resource_version().unwrap_or_default(),
            is_cordoned: node.spec.as_ref().and_then(|it| it.unschedulable).unwrap_or_default(),
            is_ready: conditions.into_iter().any(|it| it.type_ == "Ready" && it.status == "True"),
            addresses: addresses.map(|it| (it.type_.clone(), it.address.clone())).collect(),
            public_address: node.annotations().get(labels::ADDRESS).cloned().filter(|it| !it.is_empty()),
            kubelet,
        }
    }

    /// Where players reach host ports of this node: all addresses of the first type that it has.
    pub fn addresses(&self, types: &[AddressType]) -> Vec<&str> {
        if let Some(address) = &self.public_address {
            return vec![address];
        }
        let of_type = |type_: &AddressType| -> Vec<&str> {
            let all = self.addresses.iter().filter(|(it, _)| it == type_.as_str());
            all.map(|(_, address)| address.as_str()).collect()
        };
        types.iter().map(of_type).find(|it| !it.is_empty()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i6_a_kubelet_is_reached_where_its_node_says() {
        let node = |status: serde_json::Value| {
            let node = serde_json::json!({ "metadata": { "name": "node-1" }, "status": status });
            Node::parse(&serde_json::from_value(node).unwrap()).kubelet
        };
        let addresses = serde_json::json!([
            { "type": "Hostname", "address": "node-1" }, { "type": "InternalIP", "address": "198.18.0.11" },
        ]);
        let usual = node(serde_json::json!({ "addresses": addresses }));
        assert_eq!(usual, Some(([198, 18, 0, 11], 10250).into()));
        let endpoints = serde_json::json!({ "kubeletEndpoint": { "Port": 10777 } });
        let unusual = node(serde_json::json!({ "addresses": addresses, "daemonEndpoints": endpoints }));
        assert_eq!(unusual, Some(([198, 18, 0, 11], 10777).into()));
        assert_eq!(node(serde_json::json!({})), None);
    }

    #[test]
    fn the_first_type_that_a_node_has_is_published_and_the_annotation_wins() {
        let mut node = Node {
            addresses: [("InternalIP", "198.18.0.11"), ("InternalIP", "fd00::11"), ("Hostname", "node-1")]
                .map(|(type_, address)| (type_.to_owned(), address.to_owned()))
                .into(),
            ..Node::default()
        };
        let types = [AddressType::ExternalIP, AddressType::InternalIP, AddressType::Hostname];
        assert_eq!(node.addresses(&types), ["198.18.0.11", "fd00::11"]);
        assert_eq!(node.addresses(&[AddressType::ExternalDNS]), [""; 0]);
        node.public_address = Some("203.0.113.7".into());
        assert_eq!(node.addresses(&types), ["203.0.113.7"]);
    }
}
