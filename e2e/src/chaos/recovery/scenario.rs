//! The scenarios: what breaks, and what is expected of it.

use std::fmt;
use std::time::Duration;

use clap::ValueEnum;

use super::fleet::{FENCE_MS, HANG, INTERVAL_MS};

/// Something that breaks while matches are played. The names are fixed: results are compared by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// A server's process is killed
    ProcessCrash,
    /// A server's process stands still, and never goes on
    ProcessHang,
    /// A server's ticks stand still, and all else of it goes on
    TickLoopHang,
    /// A server's process stands still, and goes on when its matches are played elsewhere
    PauseResume,
    /// A server runs out of memory
    ContainerOom,
    /// A server's pod is deleted by force
    PodDelete,
    /// A node loses the network
    NodeCut,
    /// A node loses the network, and is back when its matches are played elsewhere
    NodeCutHeal,
    /// A node loses its power
    NodePoweroff,
    /// A server and the operators do not reach each other
    PartitionOperator,
    /// A server and the store do not reach each other
    PartitionStore,
    /// A server reaches neither operators nor store, but its players
    PartitionBoth,
    /// The store's process is killed
    RedisKill,
    /// The store answers late
    RedisSlow,
    /// etcd is killed
    EtcdKill,
    /// The API server is killed
    ApiserverKill,
    /// The leader is killed
    OperatorKill,
    /// The leader stands still, longer than its lease
    OperatorPause,
    /// A node loses the network, and the leader is on it
    OperatorAndNode,
    /// The connection between the operators and a server breaks
    LinkLoss,
    /// A node with three hundred matches loses the network
    MassLoss,
}

/// What is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// The matches of what was hit are played again elsewhere; all others notice nothing.
    Recovers,
    /// No match moves, and no player loses its connection.
    PlaysOn,
}

/// What is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A server with matches.
    Server,
    /// A node with matches, which the store is not on. Whether the leader is to be there.
    Node { with_leader: bool },
    /// Something that all matches share.
    Shared,
}

impl Scenario {
    /// All, in the order in which they are played when none is named.
    pub fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    pub(super) fn expectation(self) -> Expectation {
        match self {
            Self::ProcessCrash
            | Self::ProcessHang
            | Self::TickLoopHang
            | Self::PauseResume
            | Self::ContainerOom
            | Self::PodDelete
            | Self::NodeCut
            | Self::NodeCutHeal
            | Self::NodePoweroff
            | Self::PartitionBoth
            | Self::OperatorAndNode
            | Self::MassLoss => Expectation::Recovers,
            Self::PartitionOperator
            | Self::PartitionStore
            | Self::RedisKill
            | Self::RedisSlow
            | Self::EtcdKill
            | Self::ApiserverKill
            | Self::OperatorKill
            | Self::OperatorPause
            | Self::LinkLoss => Expectation::PlaysOn,
        }
    }

    /// How much play may be lost: since the last checkpoint, and what that took; and all that an owner plays who can save
    /// nothing, until it freezes.
    pub(super) fn lost_max(self) -> Duration {
        let usual = Duration::from_millis(3 * INTERVAL_MS);
        match self {
            Self::PartitionBoth => usual + Duration::from_millis(FENCE_MS),
            _ => usual,
        }
    }

    pub(super) fn target(self) -> Target {
        match self {
            Self::ProcessCrash
            | Self::ProcessHang
            | Self::TickLoopHang
            | Self::PauseResume
            | Self::ContainerOom
            | Self::PodDelete
            | Self::PartitionOperator
            | Self::PartitionStore
            | Self::PartitionBoth
            | Self::LinkLoss => Target::Server,
            Self::NodeCut | Self::NodeCutHeal | Self::NodePoweroff | Self::MassLoss => {
                Target::Node { with_leader: false }
            }
            Self::OperatorAndNode => Target::Node { with_leader: true },
            Self::RedisKill
            | Self::RedisSlow
            | Self::EtcdKill
            | Self::ApiserverKill
            | Self::OperatorKill
            | Self::OperatorPause => Target::Shared,
        }
    }

    /// Whether what was hit comes back alive while others play its matches: then it is watched for a while.
    pub(super) fn comes_back(self) -> bool {
        matches!(
            self,
            Self::PauseResume
                | Self::TickLoopHang
                | Self::NodeCut
                | Self::NodeCutHeal
                | Self::PartitionBoth
                | Self::OperatorAndNode
        )
    }

    /// Whether a loss of this kind is certain at once, so that a standby needs no store to go on.
    pub fn is_proven(self) -> bool {
        matches!(self, Self::ProcessCrash | Self::ContainerOom)
    }

    /// How long what is hit stays broken, if nobody mends it. Until then it is not as before: a server that hangs and has no
    /// matches looks well, and is given some.
    pub(super) fn lasts(self) -> Option<Duration> {
        (self == Self::TickLoopHang).then_some(HANG)
    }

    /// How long is waited until all are played again: far beyond what is promised, so that what takes longer is measured
    /// and not given up.
    pub(super) fn deadline(self) -> Duration {
        match self {
            // Three hundred on two cores.
            Self::MassLoss => Duration::from_mins(1),
            _ => Duration::from_secs(30),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // None is left out of the list.
        self.to_possible_value().iter().try_for_each(|it| f.write_str(it.get_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_manual() {
        let names: Vec<_> = Scenario::all().iter().map(ToString::to_string).collect();
        let fixed = "process-crash process-hang tick-loop-hang pause-resume container-oom pod-delete node-cut \
                     node-cut-heal node-poweroff partition-operator partition-store partition-both redis-kill redis-slow \
                     etcd-kill apiserver-kill operator-kill operator-pause operator-and-node link-loss mass-loss";
        assert_eq!(names.join(" "), fixed);
    }

    #[test]
    fn i8_what_only_the_operator_or_only_the_store_is_away_from_plays_on() {
        for scenario in [Scenario::PartitionOperator, Scenario::PartitionStore] {
            assert_eq!(scenario.expectation(), Expectation::PlaysOn);
        }
        assert_eq!(Scenario::PartitionBoth.expectation(), Expectation::Recovers);
    }

    #[test]
    fn what_everybody_shares_is_lost_by_nobody() {
        let shared = Scenario::all().into_iter().filter(|it| it.target() == Target::Shared);
        assert!(shared.into_iter().all(|it| it.expectation() == Expectation::PlaysOn));
    }
}
