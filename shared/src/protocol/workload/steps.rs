//! `steps`: horses take as many steps as a whip says, and the owner sums them.
//!
//! This is the smallest workload, and the one to copy for a new one. A rider's job has `whips`
//! tasks; task n is a whip of intensity n, or more where it needs others. The owner sums over the
//! jobs of one caravan, so a late rider adds to the sum and never resets it.

use serde::{Deserialize, Serialize};

use super::{Classes, Contract, Descriptor, TaskQueue, Workload};
use crate::protocol::id::{Class, JobId};
use crate::protocol::limits::WHIP_CAPACITY;
use crate::protocol::reason::{Reason, from_json};

/// The whip holds exactly 16 messages; a quorum queue overshoots its limit. A classic queue may lose
/// messages, and the owner sends those again from its store.
pub(super) const DESCRIPTOR: Descriptor =
    Descriptor { name: "steps", queue: TaskQueue::Exact(WHIP_CAPACITY), classes: Classes::One(class) };

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The caravan whose sum gets the steps.
    pub caravan: JobId,
    /// Number of the rider in the caravan.
    pub rider: u32,
    /// Number of whips; their intensities are 0, 1, ..., `whips` - 1.
    pub whips: u64,
    /// Each whip needs this many whips before it, as far as there are that many: its intensity is
    /// its own and the steps of all these. With 0, the default, the tasks follow from this spec
    /// alone, and the rider sends them itself; otherwise the rider plans them, and the owner sends
    /// each when those that it needs are answered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub needs: u64,
}

fn is_zero(needs: &u64) -> bool {
    *needs == 0
}

impl Spec {
    /// The job's id: one for each (caravan, rider).
    pub fn job(&self) -> JobId {
        JobId::from_name(format!("{}-rider-{}", self.caravan, self.rider).as_bytes())
    }
}

impl Contract for Spec {
    fn workload(&self) -> Workload {
        Workload::Steps
    }

    fn classes(&self) -> Vec<Class> {
        vec![class()]
    }

    fn consumer_command(&self, _: &str, broker: &str) -> String {
        format!(
            "packhorse consumer --broker {broker} --workload steps \
             (or cargo run --example horse_rider -- horse 0 --broker {broker})"
        )
    }
}

/// The only class of `steps`: any horse can do any task.
pub fn class() -> Class {
    Class::from_name(b"any")
}

/// A task's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whip {
    /// Steps to take.
    pub intensity: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub steps: u64,
}

impl Whip {
    pub fn parse(body: &[u8]) -> Result<Self, Reason> {
        from_json(body)
    }
}

impl Answer {
    pub fn parse(body: &[u8]) -> Result<Self, Reason> {
        from_json(body)
    }
}
