//! `steps`: horses take as many steps as the whip says, and the owner sums them.
//!
//! The smallest workload: the one to copy for a new one. A rider's job has `whips` tasks; task n
//! whips with intensity n. The owner sums over the jobs of one caravan, so a late rider adds to the
//! sum and never resets it.

use serde::{Deserialize, Serialize};

use crate::protocol::id::{Class, JobId};
use crate::protocol::reason::{Reason, from_json};

/// What a rider's job asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Whose sum the steps go to.
    pub caravan: JobId,
    /// Which rider of the caravan.
    pub rider: u32,
    /// How many whips it sends: intensities 0, 1, ..., `whips` - 1.
    pub whips: u64,
}

impl Spec {
    /// The job of this rider: one for each (caravan, rider).
    pub fn job(&self) -> JobId {
        JobId::from_name(format!("{}-rider-{}", self.caravan, self.rider).as_bytes())
    }
}

/// The one class of `steps`: any horse feels any whip.
pub fn class() -> Class {
    Class::from_name(b"any")
}

/// A task's body: one whip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whip {
    /// How many steps it is worth.
    pub intensity: u64,
}

/// A task's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The steps taken.
    pub steps: u64,
}

impl Whip {
    /// Reads a body.
    pub fn parse(body: &[u8]) -> Result<Self, Reason> {
        from_json(body)
    }
}

impl Answer {
    /// Reads an answer.
    pub fn parse(body: &[u8]) -> Result<Self, Reason> {
        from_json(body)
    }
}
