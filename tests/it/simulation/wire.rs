//! A process's end of its connections: what it has declared, what it consumes, what is not confirmed.
//! As a transport does it: patient, and everything again after a loss.

use std::collections::BTreeMap;
use std::rc::Rc;

use shared::protocol::message::Message;
use shared::protocol::topology::{Binding, Queue, Topology};
use shared::system::clock::Moment;
use shared::transport::Acks;

use super::broker::DeliveryTag;
use super::role::Lane;

/// One connection. Its epoch is of it alone, and another one after each loss.
#[derive(Debug, Default)]
pub(super) struct Connection {
    pub epoch: u64,
    pub is_up: bool,
    /// When the last of what is under way arrives: what follows comes after it.
    pub last: Moment,
}

/// A message that is published.
#[derive(Debug, Clone)]
pub(super) struct Publish {
    pub exchange: &'static str,
    pub key: String,
    pub message: Rc<Message>,
    /// What the role is told when it is confirmed; a hint has none, and may be refused.
    pub token: Option<u64>,
    /// How often it was refused.
    pub failures: u32,
}

#[derive(Debug, Default)]
pub(super) struct Wire {
    pub publishing: Connection,
    pub consuming: Connection,
    pub declared: Topology,
    pub subscriptions: BTreeMap<Lane, (Queue, Vec<Binding>, u16)>,
    pub unconfirmed: BTreeMap<u64, Publish>,
    /// When the last delivery of each subscription arrives.
    pub last_delivered: BTreeMap<Lane, Moment>,
    /// Deliveries by the epoch that they came in, and their lane.
    pub held: BTreeMap<DeliveryTag, (u64, Lane)>,
    /// Which of them are acked together, for each subscription of this epoch.
    pub acks: BTreeMap<Lane, Acks<DeliveryTag>>,
}

impl Wire {
    /// What is delivered to this lane from now on does not arrive before that moment.
    pub fn hold_back(&mut self, lane: Lane, until: Moment) {
        let last = self.last_delivered.entry(lane).or_default();
        *last = (*last).max(until);
    }

    pub fn remember(&mut self, topology: &Topology) {
        for queue in &topology.queues {
            if !self.declared.queues.contains(queue) {
                self.declared.queues.push(queue.clone());
            }
        }
        for binding in &topology.bindings {
            if !self.declared.bindings.contains(binding) {
                self.declared.bindings.push(binding.clone());
            }
        }
    }
}
