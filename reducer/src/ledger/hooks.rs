//! Places within a turn where tests interfere, to break a promise of the ledger or of its engine
//! and to show that this is noticed.

use crate::owner::{Event, Owner, Step};
use crate::store::{Store, StoreError};

/// What is done within a turn besides the turn's own work. By default nothing.
pub trait Hooks {
    /// Before the engine takes an event, to which the ledger has added what the store knows.
    fn before_step(&mut self, owner: &Owner, event: &mut Event) {
        let _ = (owner, event);
    }

    /// Before the store takes the writes of an event.
    fn after_step(&mut self, step: &mut Step) {
        let _ = step;
    }

    /// Between the writes of a turn's events and the accounts of their jobs. One transaction holds
    /// both.
    ///
    /// # Errors
    /// They end the turn as an error of the ledger's own would.
    fn before_accounts(&mut self, store: &mut Store) -> Result<(), StoreError> {
        let _ = store;
        Ok(())
    }
}

/// What every owner outside of tests has.
#[derive(Debug)]
pub(super) struct NoHooks;

impl Hooks for NoHooks {}
