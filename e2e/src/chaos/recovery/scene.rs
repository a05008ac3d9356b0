//! Who is where at the moment, and whom to hit. Pure: what there is was looked up before.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// A server of the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) pod: String,
    pub(super) pod_uid: String,
    pub(super) node: String,
    pub(super) ip: IpAddr,
    /// The names of the rooms that are published there.
    pub(super) rooms: Vec<String>,
}

/// A pod that all servers have to do with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fellow {
    pub(super) pod: String,
    pub(super) node: String,
    pub(super) ip: IpAddr,
}

/// Who is where.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) servers: Vec<Server>,
    pub(super) store: Fellow,
    pub(super) operators: Vec<Fellow>,
    /// The leader's pod.
    pub(super) leader: String,
}

impl Scene {
    /// One of the servers with rooms.
    pub(super) fn busy_server(&self, chance: &mut StdRng) -> Option<&Server> {
        pick(self.servers.iter().filter(|it| !it.rooms.is_empty()).collect(), chance)
    }

    /// One of the nodes with servers that can be lost: what is promised is promised with a store elsewhere.
    pub(super) fn mortal_node(&self, chance: &mut StdRng) -> Option<&str> {
        let nodes: BTreeSet<_> = self.servers.iter().map(|it| it.node.as_str()).collect();
        pick(nodes.into_iter().filter(|it| *it != self.store.node).collect(), chance)
    }

    /// The node of the leader, unless its pod is not known yet.
    pub(super) fn leaders_node(&self) -> Option<&str> {
        self.operators.iter().find(|it| it.pod == self.leader).map(|it| it.node.as_str())
    }

    /// Whether there is an operator on another node than this.
    pub(super) fn has_operator_beside(&self, node: &str) -> bool {
        self.operators.iter().any(|it| it.node != node)
    }

    /// The servers on a node that have rooms.
    pub(super) fn busy_on(&self, node: &str) -> Vec<&Server> {
        self.servers.iter().filter(|it| it.node == node && !it.rooms.is_empty()).collect()
    }
}

fn pick<T>(mut all: Vec<T>, chance: &mut StdRng) -> Option<T> {
    let count = all.len();
    (count > 0).then(|| all.swap_remove(chance.random_range(0..count)))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn server(pod: &str, node: &str, rooms: &[&str]) -> Server {
        Server {
            pod: pod.to_owned(),
            pod_uid: format!("uid-{pod}"),
            node: node.to_owned(),
            ip: IpAddr::from([198, 18, 1, 2]),
            rooms: rooms.iter().map(|it| (*it).to_owned()).collect(),
        }
    }

    fn fellow(pod: &str, node: &str) -> Fellow {
        Fellow { pod: pod.to_owned(), node: node.to_owned(), ip: IpAddr::from([198, 18, 1, 3]) }
    }

    fn scene() -> Scene {
        Scene {
            servers: vec![
                server("a", "node-1", &["one"]),
                server("b", "node-2", &["two", "three"]),
                server("c", "node-2", &[]),
                server("d", "node-3", &[]),
            ],
            store: fellow("redis-0", "node-1"),
            operators: vec![fellow("op-1", "node-1"), fellow("op-2", "node-2")],
            leader: "op-2".to_owned(),
        }
    }

    #[test]
    fn only_servers_with_rooms_are_hit_and_all_of_them_sooner_or_later() {
        let (scene, mut chance) = (scene(), StdRng::seed_from_u64(1));
        let hit: BTreeSet<_> =
            (0..100).filter_map(|_| scene.busy_server(&mut chance)).map(|it| it.pod.as_str()).collect();
        assert_eq!(hit, BTreeSet::from(["a", "b"]));
    }

    #[test]
    fn the_stores_node_is_never_lost() {
        let (scene, mut chance) = (scene(), StdRng::seed_from_u64(1));
        let hit: BTreeSet<_> = (0..100).filter_map(|_| scene.mortal_node(&mut chance)).collect();
        assert_eq!(hit, BTreeSet::from(["node-2", "node-3"]));
    }

    #[test]
    fn it_is_known_who_is_where() {
        let scene = scene();
        assert_eq!(scene.leaders_node(), Some("node-2"));
        assert!(scene.has_operator_beside("node-2"));
        let alone =
            Scene { operators: vec![fellow("op-2", "node-2"), fellow("op-3", "node-2")], ..self::scene() };
        assert!(!alone.has_operator_beside("node-2"));
        assert_eq!(scene.busy_on("node-2").len(), 1);
        assert!(scene.busy_on("node-3").is_empty());
    }
}
