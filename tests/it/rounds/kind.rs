//! The faults.

use std::ops::Range;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use shared::protocol::id::OwnerId;
use shared::protocol::topology;
use shared::protocol::workload::Workload;
use shared::protocol::workload::files::Root;

use super::crew::{ALL, CONSUMERS, Crew, Role};
use crate::broker::nodes::NODES;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    ConsumerKilled,
    ReducerKilled,
    ProducerKilled,
    WalkKilled,
    AllKilled,
    ConsumerStopped,
    BrokerKilled,
    BrokerWiped,
    ConnectionsClosed,
    MemoryAlarm,
    TasksQueueDeleted,
    OwnersQueueDeleted,
    QueuesFull,
    NodeKilled,
    NodeCutOff,
    NodesRestarted,
}

/// As long as a consumer needs for a task or two.
const LATE: Duration = Duration::from_millis(1_500);

/// Milliseconds for which a node is cut off, before the others notice or well after it. RabbitMQ does not
/// survive what lies between: nodes that are back in the moment in which they are given up do not pause,
/// and each side goes on by itself for good, until an operator restarts one of them.
const UNNOTICED: Range<u64> = 0..1_000;
const NOTICED: Range<u64> = 10_000..15_000;

/// Queues of tasks and of owners, as a policy's pattern.
const WORK: &str = r"^packhorse\.v1\.(tasks|owner)\.";

impl Kind {
    /// As tables call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConsumerKilled => "consumer_killed",
            Self::ReducerKilled => "reducer_killed",
            Self::ProducerKilled => "producer_killed",
            Self::WalkKilled => "producer_killed_in_mid_walk",
            Self::AllKilled => "all_roles_killed",
            Self::ConsumerStopped => "consumer_stopped",
            Self::BrokerKilled => "broker_killed",
            Self::BrokerWiped => "broker_wiped",
            Self::ConnectionsClosed => "connections_closed",
            Self::MemoryAlarm => "memory_alarm",
            Self::TasksQueueDeleted => "tasks_queue_deleted",
            Self::OwnersQueueDeleted => "owners_queue_deleted",
            Self::QueuesFull => "queues_full",
            Self::NodeKilled => "node_killed",
            Self::NodeCutOff => "node_cut_off",
            Self::NodesRestarted => "nodes_restarted",
        }
    }

    /// The test that has it.
    pub fn test(self) -> &'static str {
        match self {
            Self::NodeKilled | Self::NodeCutOff | Self::NodesRestarted => "nodes_of_a_cluster",
            _ => self.name(),
        }
    }

    /// Whether it needs a node of its own.
    pub fn hurts_the_node(self) -> bool {
        matches!(self, Self::BrokerKilled | Self::MemoryAlarm) || self.deletes_a_queue()
    }

    /// Whether it can meet a declaration half-way, which RabbitMQ 3.10 recovers from by a restart alone.
    pub fn deletes_a_queue(self) -> bool {
        matches!(self, Self::TasksQueueDeleted | Self::OwnersQueueDeleted)
    }

    /// Whether it takes a command that starts slowly.
    pub fn is_an_operators_command(self) -> bool {
        match self {
            Self::ConsumerKilled | Self::ReducerKilled | Self::ProducerKilled | Self::WalkKilled => false,
            Self::AllKilled | Self::ConsumerStopped | Self::BrokerKilled => false,
            Self::BrokerWiped | Self::ConnectionsClosed | Self::MemoryAlarm | Self::QueuesFull => true,
            Self::TasksQueueDeleted | Self::OwnersQueueDeleted => true,
            Self::NodeKilled | Self::NodeCutOff | Self::NodesRestarted => false,
        }
    }

    /// Whether it lasts longer than a job: one comes after the other until it is over.
    pub fn outlasts_a_job(self) -> bool {
        self == Self::NodesRestarted
    }

    /// The fault, from its beginning to its end; whether it met the job.
    pub async fn strike(self, crew: &Crew<'_>, rng: &mut SmallRng) -> bool {
        let broker = &crew.cluster.broker;
        let pause =
            |rng: &mut SmallRng, longest: u64| tokio::time::sleep(Duration::from_millis(rng.random_range(0..longest)));
        match self {
            Self::ConsumerKilled => crew.kill(Role::Consumer(rng.random_range(0..CONSUMERS))),
            Self::ReducerKilled => crew.kill(Role::Reducer),
            Self::ProducerKilled | Self::WalkKilled => crew.kill(Role::Producer),
            Self::AllKilled => ALL.into_iter().for_each(|role| crew.kill(role)),
            Self::ConsumerStopped => {
                crew.stop(Role::Consumer(rng.random_range(0..CONSUMERS)));
                // In half of the rounds it wakes only after the job's end: see `aftermath`.
                if rng.random_bool(0.5) {
                    pause(rng, 4_000).await;
                    crew.wake();
                }
                return true;
            }
            Self::BrokerKilled => {
                broker.kill().await;
                pause(rng, 1_000).await;
                broker.start().await;
            }
            Self::BrokerWiped => broker.empty().await,
            Self::ConnectionsClosed => broker.close_connections().await,
            Self::MemoryAlarm => {
                broker.set_memory_alarm(true).await;
                let met = !crew.is_over();
                pause(rng, 2_000).await;
                broker.set_memory_alarm(false).await;
                return met;
            }
            Self::TasksQueueDeleted => {
                let (queue, _) = topology::tasks(Workload::Digest, &Root::class_of("t"));
                return broker.delete_queue_if_there(&queue.name).await && !crew.is_over();
            }
            Self::OwnersQueueDeleted => {
                let (queue, _) = topology::service_owner(&OwnerId::from_name(b"main"));
                return broker.delete_queue_if_there(&queue.name).await && !crew.is_over();
            }
            Self::QueuesFull => {
                broker.fill_queues(WORK).await;
                let met = !crew.is_over();
                pause(rng, 2_000).await;
                broker.free_queues().await;
                return met;
            }
            Self::NodeKilled | Self::NodeCutOff | Self::NodesRestarted => return self.strike_nodes(crew, rng).await,
        }
        !crew.is_over()
    }

    /// The same of faults of a cluster's nodes.
    async fn strike_nodes(self, crew: &Crew<'_>, rng: &mut SmallRng) -> bool {
        let (broker, node, is_short) = (&crew.cluster.broker, rng.random_range(0..NODES), rng.random_bool(0.5));
        let mut pause = |millis: Range<u64>| tokio::time::sleep(Duration::from_millis(rng.random_range(millis)));
        if self == Self::NodesRestarted {
            for node in 0..NODES {
                broker.restart_node(node).await;
            }
            return true;
        }
        let is_kill = self == Self::NodeKilled;
        if is_kill {
            broker.kill_node(node).await
        } else {
            broker.cut_off_node(node).await
        }
        let met = !crew.is_over();
        if is_kill {
            pause(0..3_000).await;
            broker.start_node(node).await;
        } else {
            pause(if is_short { UNNOTICED } else { NOTICED }).await;
            broker.rejoin_node(node).await;
        }
        met
    }

    /// What comes after the job's end: a consumer that slept through it does its old tasks to the end,
    /// and nothing changes by that. How many answers came so late.
    pub async fn aftermath(self, crew: &Crew<'_>) -> u64 {
        if self != Self::ConsumerStopped {
            return 0;
        }
        let counts = || crew.cluster.status(&crew.job_id()).expect("the reducer knows it")["counts"].clone();
        let before = counts();
        if !crew.wake() {
            return 0;
        }
        // What it held when it was stopped. It may have held nothing, or its answer was on its way.
        tokio::time::sleep(LATE).await;
        let after = counts();
        for count in ["tasks_done", "items_done", "bytes_done", "items_failed", "conflicts"] {
            assert_eq!(after[count], before[count], "{count}");
        }
        after["duplicates"].as_u64().unwrap_or_default() - before["duplicates"].as_u64().unwrap_or_default()
    }
}
