//! The parts of a queue: messages, consumers, deliveries and dead letters.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::protocol::message::Message;

#[derive(Debug)]
pub(super) struct Entry {
    /// Position in the queue's order of arrival. A message keeps it when it goes back.
    pub(super) place: u64,
    pub(super) key: Arc<str>,
    pub(super) message: Arc<Message>,
    /// How often the message went back.
    pub(super) returns: u32,
}

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) connection: u64,
    pub(super) prefetch: usize,
    /// Places of messages that were pushed and not yet taken. All are in `unacked` too.
    pub(super) inbox: VecDeque<u64>,
    pub(super) unacked: BTreeMap<u64, Entry>,
    /// Notified when the inbox gets a message, and when the consumer is removed.
    pub(super) bell: Arc<Notify>,
}

impl Consumer {
    pub(super) fn new(connection: u64, prefetch: u16, bell: Arc<Notify>) -> Self {
        let prefetch = usize::from(prefetch.max(1));
        Self { connection, prefetch, inbox: VecDeque::new(), unacked: BTreeMap::new(), bell }
    }

    pub(super) fn has_room(&self) -> bool {
        self.unacked.len() < self.prefetch
    }
}

#[derive(Debug)]
pub(super) struct Taken {
    pub(super) place: u64,
    pub(super) key: Arc<str>,
    pub(super) message: Arc<Message>,
    pub(super) returns: u32,
}

/// A message on its way to a dead-letter exchange.
#[derive(Debug)]
pub(super) struct Dead {
    pub(super) exchange: String,
    pub(super) key: Arc<str>,
    pub(super) message: Arc<Message>,
}

/// How a delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    Requeue,
    Reject,
}

#[derive(Debug)]
pub(super) struct Full;
