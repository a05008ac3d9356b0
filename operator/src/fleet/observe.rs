//! Step 1: what there is, in one moment.

use std::sync::Arc;

use gamekeeper_crds::{GameFleet, fleet::RoomCounts};
use tokio::time::Instant;

use super::{
    plan::Server,
    ports::{Ranges, Uses},
};
use crate::{
    cache::Cached as _,
    name::ObjectName,
    server::ServerPod,
    world::{Budget, Revision, World},
};

/// A fleet and all that is its own.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub name: ObjectName,
    pub fleet: Arc<GameFleet>,
    pub servers: Vec<Server>,
    /// Oldest first.
    pub revisions: Vec<Arc<Revision>>,
    pub budget: Option<Arc<Budget>>,
    pub rooms: RoomCounts,
    /// Why controlled servers cannot be greeted.
    pub troubles: Vec<String>,
    /// Who has which host port, in this fleet and in all.
    pub port_uses: Uses,
}

/// The fleet called `name`, unless it is gone.
pub(super) fn observe(world: &World, name: &ObjectName, ranges: &Ranges) -> Option<Observed> {
    let fleet = world.fleets.get(name)?.clone();
    let port_uses = port_uses(world, name);
    let servers = world.pods_of(name).map(|pod| Server {
        pod: pod.clone(),
        health: world.health(pod),
        history: world.history(&pod.uid),
        is_busy: world.ledger.is_busy(&pod.uid),
        is_quiet: world.is_quiet(pod),
        link: world.ledger.link(&pod.uid),
        is_on_cordoned_node: world.is_on_cordoned_node(pod),
        has_better_ports: has_better_ports(pod, &fleet, &port_uses, ranges),
    });
    let troubles = world.pods_of(name).filter(|it| it.exit().is_none() && !it.is_deleting);
    let troubles = troubles.filter_map(|it| world.trouble(&it.uid).cloned()).collect();
    let of_fleet = |it: &&Arc<Revision>| it.fleet == name.name && it.owner.as_deref() == Some(fleet.uid());
    let mut revisions: Vec<Arc<Revision>> =
        world.revisions.of_namespace(&name.namespace).filter(of_fleet).cloned().collect();
    revisions.sort_by_key(|it| it.number);
    Some(Observed {
        name: name.clone(),
        servers: servers.collect(),
        revisions,
        budget: world.budgets.get(name).cloned(),
        rooms: world.ledger.counts(name, Instant::now()),
        troubles,
        port_uses,
        fleet,
    })
}

fn port_uses(world: &World, fleet: &ObjectName) -> Uses {
    let mut uses = Uses::new();
    for pod in world.pods.iter().filter(|it| it.exit().is_none()) {
        let is_ours = pod.namespace == fleet.namespace && pod.fleet == fleet.name;
        for port in &pod.host_ports {
            let Ok(number) = u16::try_from(port.host_port) else { continue };
            let (ours, all) = uses.entry((port.protocol, number)).or_default();
            *ours += usize::from(is_ours);
            *all += 1;
        }
    }
    uses
}

/// Whether a pod that waits for a free host port would get one with fewer users.
fn has_better_ports(pod: &ServerPod, fleet: &GameFleet, uses: &Uses, ranges: &Ranges) -> bool {
    if !pod.unschedulable.as_ref().is_some_and(|it| it.contains("free ports")) {
        return false;
    }
    fleet.spec.ports.iter().any(|port| {
        let Some(range) = port.exposure.host_port_range().and_then(|it| ranges.get(it)) else { return false };
        let users = |number: u16| uses.get(&(port.protocol, number)).map_or(0, |(_, all)| *all);
        let ours = pod.host_ports.iter().find(|it| it.container_port == port.container_port);
        let Some(ours) = ours.and_then(|it| u16::try_from(it.host_port).ok()) else { return true };
        // It counts itself among the users of its own port.
        range.clone().any(|it| users(it) + 1 < users(ours))
    })
}
