//! One worker, whatever its types.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shared::protocol::limits::RESULT_BYTES_MAX;
use shared::protocol::payload::{ContentType, Payload};
use shared::protocol::workload::call::{CallError, CallErrorKind, Codec, Slot, Worker, WorkerError};

/// Makes a worker of what it begins with.
type Make = fn(&Payload, Slot) -> Result<Box<dyn Instance>, String>;

/// A kind of worker.
pub(crate) struct Kind {
    pub codec: ContentType,
    make: Make,
}

impl Kind {
    pub fn of<W: Worker>() -> Self {
        Self { codec: W::Codec::CONTENT_TYPE, make: make::<W> }
    }

    /// Makes a worker of what it begins with. A panic is an error.
    pub fn make(&self, init: &Payload, slot: Slot) -> Result<Box<dyn Instance>, String> {
        guarded(|| (self.make)(init, slot))?
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a kind of worker with values as {}", self.codec)
    }
}

fn make<W: Worker>(init: &Payload, slot: Slot) -> Result<Box<dyn Instance>, String> {
    let init = W::Codec::read(init).map_err(|error| format!("what it begins with cannot be read: {error}"))?;
    let worker = W::init(init, slot).map_err(|error| explained(&error))?;
    Ok(Box::new(Typed::<W> { worker, types: PhantomData }))
}

/// A worker.
pub(crate) trait Instance {
    /// Does a call, and appends its result to `to`.
    fn run(&mut self, call: &[u8], to: &mut Vec<u8>) -> Result<(), CallError>;

    /// Handles an update. After an error the worker must not be used any more.
    fn update(&mut self, update: &[u8]) -> Result<(), String>;
}

struct Typed<W> {
    worker: W,
    types: PhantomData<W>,
}

impl<W: Worker> Instance for Typed<W> {
    fn run(&mut self, call: &[u8], to: &mut Vec<u8>) -> Result<(), CallError> {
        let codec = |message| CallError { kind: CallErrorKind::Codec, message };
        let job = W::Codec::read(call).map_err(|error| codec(format!("its argument cannot be read: {error}")))?;
        let output = guarded(|| self.worker.run(job))
            .map_err(|message| CallError { kind: CallErrorKind::Panicked, message })?
            .map_err(|error| CallError { kind: CallErrorKind::Failed, message: explained(&error) })?;
        let start = to.len();
        W::Codec::write(&output, to).map_err(|error| codec(format!("its result cannot be written: {error}")))?;
        match to.len() - start {
            bytes if bytes > RESULT_BYTES_MAX => {
                Err(codec(format!("its result has {bytes} bytes, and may have {RESULT_BYTES_MAX}")))
            }
            _ => Ok(()),
        }
    }

    fn update(&mut self, update: &[u8]) -> Result<(), String> {
        let update = W::Codec::read(update).map_err(|error| format!("it cannot be read: {error}"))?;
        guarded(|| self.worker.handle_update(update))?.map_err(|error| explained(&error))
    }
}

/// Runs a user's code. The error is the message of its panic, which is printed as well.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // The worker goes on as the panic left it, as its contract says.
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a value that is no text".to_owned())
}

/// An error and its causes.
fn explained(error: &WorkerError) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
