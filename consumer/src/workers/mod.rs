//! Users' own workers: which kinds this process knows, and how its slots do calls with them.
//!
//! # Layout
//! - [`Workers`]: the kinds
//! - `instance`: one worker, whatever its types
//! - `updates`: what its owner tells a pool's workers
//! - `slot`: does the calls of a task
//! - `desk`, `watch`: take what a slot has done that is stuck in a call
//! - `announced`: decides which pools this process serves; a state machine without I/O

mod announced;
mod desk;
mod instance;
mod slot;
mod updates;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::protocol::workload::call::Worker;

pub(crate) use announced::{Announced, Serve};
pub(crate) use instance::Kind;
pub(crate) use slot::{Ready, makers};
pub(crate) use updates::{Log, Owner};

/// Kinds of workers that a consumer knows, by name. It serves every pool that asks for one of them.
#[derive(Debug, Clone, Default)]
pub struct Workers(BTreeMap<&'static str, Arc<Kind>>);

impl Workers {
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, and `W`. Of two kinds with one name the later counts.
    #[must_use]
    pub fn with<W: Worker>(mut self) -> Self {
        self.0.insert(W::NAME, Arc::new(Kind::of::<W>()));
        self
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    pub(crate) fn kind(&self, name: &str) -> Option<Arc<Kind>> {
        self.0.get(name).cloned()
    }
}
