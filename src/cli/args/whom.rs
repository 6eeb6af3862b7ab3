//! Whom a command about jobs asks.

use shared::protocol::id::OwnerId;

use super::BrokerArgs;

/// Whom a command asks.
#[derive(Clone, Copy)]
pub struct Whom<'a> {
    /// Where they are.
    pub broker: &'a BrokerArgs,
    /// The one that is asked; all of them, if none is named.
    pub owner: Option<&'a OwnerId>,
}
