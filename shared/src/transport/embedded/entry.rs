//! What a queue is made of: messages, consumers, and what leaves it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::protocol::message::Message;

/// A message in a queue.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place: grows with each message that enters the queue, and stays when it goes back.
    pub(super) place: u64,
    pub(super) key: Arc<str>,
    pub(super) message: Arc<Message>,
    /// How often it went back.
    pub(super) returns: u32,
}

/// One subscription as its queue sees it.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) connection: u64,
    pub(super) prefetch: usize,
    /// Places of what was pushed and not yet taken; all of them are in `unacked` too.
    pub(super) inbox: VecDeque<u64>,
    pub(super) unacked: BTreeMap<u64, Entry>,
    /// Rung when something is in the inbox, and when the consumer is gone.
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

/// A delivery without its acker.
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

/// The word on a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Done,
    Requeue,
    Reject,
}

/// The queue is full and refuses more.
#[derive(Debug)]
pub(super) struct Full;
