//! Which owners a command about jobs asks.

use shared::protocol::id::OwnerId;

use super::BrokerArgs;

#[derive(Clone, Copy)]
pub struct Whom<'a> {
    pub broker: &'a BrokerArgs,
    /// `None`: all owners are asked.
    pub owner: Option<&'a OwnerId>,
}
