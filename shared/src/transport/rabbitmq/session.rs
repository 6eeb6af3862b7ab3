//! State that the connections of one transport share: the address, the closed flag, and which
//! messages were logged.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::address::Address;
use super::fault::Fault;
use crate::transport::TransportError;

pub(super) struct Session {
    address: Address,
    closed: watch::Sender<bool>,
    /// Connections that cannot be made at present. The first failure and the full recovery are
    /// logged.
    down: Mutex<BTreeSet<&'static str>>,
    /// Why the broker last closed a connection. The same reason is not logged twice in a row.
    reason: Mutex<String>,
    /// Number of subscriptions without a consumer at the broker.
    interrupted: AtomicUsize,
}

/// Counts a subscription as without a consumer until it is dropped.
pub(super) struct Interruption<'a>(&'a Session);

impl Drop for Interruption<'_> {
    fn drop(&mut self) {
        self.0.interrupted.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Session {
    pub(super) fn new(address: Address) -> Self {
        let (closed, interrupted) = (watch::Sender::new(false), AtomicUsize::new(0));
        Self { address, closed, down: Mutex::default(), reason: Mutex::default(), interrupted }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits until this process closes the transport.
    pub(super) async fn closed(&self) {
        // The sender lives in `self`, so the wait can end only with a value.
        let _ = self.closed.subscribe().wait_for(|&closed| closed).await;
    }

    /// Runs `work` until it is done or the transport is closed.
    pub(super) async fn unless_closed<T, E: From<TransportError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.closed() => Err(TransportError::Closed.into()),
            done = work => done,
        }
    }

    /// Called when a subscription has lost its consumer.
    pub(super) fn interrupt(&self) -> Interruption<'_> {
        self.interrupted.fetch_add(1, Ordering::SeqCst);
        Interruption(self)
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst) > 0
    }

    /// Logs that a connection cannot be made, unless that was already logged and is still so.
    pub(super) fn unreachable(&self, link: &'static str, fault: &Fault) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down.is_empty() {
            tracing::warn!("cannot reach the broker at {}: {fault}; trying again", self.address.shown());
        }
        down.insert(link);
    }

    /// Logs why the broker closed a connection, unless it gave the same reason the last time.
    pub(super) fn closed_by_broker(&self, reason: &str) {
        let mut last = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != reason {
            tracing::warn!("the broker at {} has closed a connection: {reason}", self.address.shown());
            reason.clone_into(&mut last);
        }
    }

    /// Logs the recovery once every connection can be made again.
    pub(super) fn reachable(&self, link: &'static str) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        if down.remove(link) && down.is_empty() {
            tracing::info!("the broker at {} can be reached again", self.address.shown());
        }
    }
}
