//! Deliveries of the owner's own queue between their arrival and their ack.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use shared::transport::Delivery;

use crate::owner::Tag;

/// Deliveries that are not settled yet. The broker's prefetch bounds their number.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    next: AtomicU64,
    held: Mutex<BTreeMap<Tag, Box<Delivery>>>,
}

impl Deliveries {
    pub fn hold(&self, delivery: Box<Delivery>) -> Tag {
        let tag = self.next.fetch_add(1, Ordering::Relaxed);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).insert(tag, delivery);
        tag
    }

    pub fn take(&self, tag: Tag) -> Option<Box<Delivery>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&tag)
    }
}
