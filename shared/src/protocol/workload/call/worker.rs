//! What users write: a worker.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Codec;

/// Why a worker failed, for people. Each call of `?` makes one of any error.
pub type WorkerError = Box<dyn std::error::Error + Send + Sync>;

/// A kind of worker. Each slot of each consumer has one of its own, which lives on the slot's
/// thread: it may hold what no thread may share, such as a model on a GPU.
///
/// A slot calls [`init`](Worker::init) once, then [`run`](Worker::run) for each job and
/// [`handle_update`](Worker::handle_update) for each update, one at a time, the updates in order. A
/// panic in `run` fails that job alone, and the worker goes on as the panic left it.
pub trait Worker: Sized + 'static {
    /// The name that consumers register it under and pools ask for, such as `resize-v2`. A worker
    /// whose types or meaning have changed needs another name.
    const NAME: &'static str;

    /// What a slot begins with.
    type Init: Serialize + DeserializeOwned;
    /// The argument of a call.
    type Job: Serialize + DeserializeOwned;
    /// What changes a worker between calls, such as new weights.
    type Update: Serialize + DeserializeOwned;
    /// The result of a call.
    type Output: Serialize + DeserializeOwned;
    /// How all of these become bytes: [`MessagePack`](super::MessagePack) or [`Json`](super::Json).
    type Codec: Codec;

    fn init(init: Self::Init, slot: Slot) -> Result<Self, WorkerError>;

    fn run(&mut self, job: Self::Job) -> Result<Self::Output, WorkerError>;

    /// The default ignores updates.
    fn handle_update(&mut self, update: Self::Update) -> Result<(), WorkerError> {
        let _ = update;
        Ok(())
    }
}

/// A place for work in a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The consumer's machine.
    pub host: String,
    /// The consumer: several may run on one machine.
    pub consumer: String,
    /// 0, 1, 2, ...: the number among the slots that this consumer has for the pool.
    pub number: u32,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {} of consumer {} on {}", self.number, self.consumer, self.host)
    }
}
