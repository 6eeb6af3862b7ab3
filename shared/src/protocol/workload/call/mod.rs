//! `call`: calls of a user's own worker. A pool is a job: a call is an item, a pack of calls a task.
//!
//! Whoever has a pool sends calls, and takes their results as they are counted. Consumers that know
//! the pool's kind of worker hear of it over the control exchange, and open a lane for it.
//!
//! # Layout
//! - [`Spec`]: the job
//! - [`Pack`]: a task's body
//! - [`Results`]: an answer
//! - [`Worker`]: what users write; [`Codec`]: how its values become bytes

mod codec;
mod pack;
mod results;
mod worker;

use serde::{Deserialize, Serialize};

pub use codec::{Codec, CodecError, Json, MessagePack};
pub use pack::{Pack, PackBuilder};
pub use results::{CallError, CallErrorKind, CallResult, Results, ResultsBuilder};
pub use worker::{Slot, Worker, WorkerError};

use super::{Classes, Contract, Descriptor, TaskQueue, Workload};
use crate::protocol::id::{Class, JobId};
use crate::protocol::payload::{ContentType, Payload};

/// The owner's record makes up for what a light queue may lose, and a queue of a pool vanishes after
/// it.
pub(super) const DESCRIPTOR: Descriptor =
    Descriptor { name: "call", queue: TaskQueue::Light, classes: Classes::OfJobs };

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The pool's id: its job has the same, and so has the only class of its tasks.
    pub pool: JobId,
    /// The kind of worker: [`Worker::NAME`].
    pub worker: String,
    /// What each slot begins with, as the worker's codec writes [`Worker::Init`].
    pub init: Payload,
}

impl Spec {
    pub fn class(&self) -> Class {
        Class::from_name(self.pool.as_str().as_bytes())
    }
}

impl Contract for Spec {
    fn workload(&self) -> Workload {
        Workload::Call
    }

    fn classes(&self) -> Vec<Class> {
        vec![self.class()]
    }

    fn announced(&self) -> Option<(&str, &ContentType)> {
        Some((&self.worker, &self.init.content_type))
    }

    fn init(&self) -> Option<&Payload> {
        Some(&self.init)
    }

    fn consumer_command(&self, _: &str, broker: &str) -> String {
        format!("a consumer that has registered the worker {:?}, at {broker}", self.worker)
    }
}
