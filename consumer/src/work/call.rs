//! The work of `call`. Its lanes have slots with workers (`workers/slot.rs`); a task that comes
//! another way finds none.

use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;

use super::{Context, ItemResult, Split, Work, WorkError};

#[derive(Debug)]
pub(super) struct CallWork;

fn no_worker() -> Reason {
    Reason::NotServed { what: "calls without a worker".to_owned() }
}

impl Work for CallWork {
    fn work(&self, _: &Payload, _: Context<'_>) -> Result<Payload, WorkError> {
        Err(no_worker().into())
    }

    fn split(&self, _: &Payload) -> Result<Split, Reason> {
        Err(no_worker())
    }

    fn join(&self, _: Vec<ItemResult>) -> Result<Payload, WorkError> {
        Err(no_worker().into())
    }

    /// A child process has no worker of the pool.
    fn isolates_suspects(&self) -> bool {
        false
    }
}
