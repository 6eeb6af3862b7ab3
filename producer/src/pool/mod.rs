//! A pool: calls of a user's worker on all consumers that have it.
//!
//! # Layout
//! - [`Pool`]: what a program has; [`Results`]: what comes back
//! - `room`: how far a caller's iterator may get ahead
//! - `feed`: makes packs of a caller's arguments; `sizes` says how large
//! - [`Tasks`]: packs as the tasks of a plan, for a [`Client`](crate::Client), and their results
//! - [`Begun`]: a pool whose job is not open yet; [`Ending`] ends it
//! - [`Home`]: the owner of the pool's job, in this process

mod begun;
mod error;
mod feed;
mod home;
mod pack;
mod results;
mod room;
mod sizes;
mod tasks;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use shared::protocol::id::JobId;
use shared::protocol::job::JobStatus;
use shared::protocol::limits::UPDATE_BYTES_MAX;
use shared::protocol::payload::Payload;
use shared::protocol::workload::call::{Codec, PackBuilder, Spec, Worker};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub use begun::{Begun, Ending, begin};
pub use error::PoolError;
use feed::{Packing, Wanted};
pub use home::{Home, News, Stream};
use pack::{Caller, Delivery, Terminate};
pub use results::Results;
pub use tasks::Tasks;

/// How the calls of a pool are done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// How often a call is tried again that returns an error or panics. The default is 0: an error
    /// is a result like any other.
    pub retries: u32,
    /// The slot of each call must have handled the updates up to this version. By default it is the
    /// latest that [`Pool::update_workers`] had returned when the call was sent.
    pub version: Option<u64>,
}

/// A pool of `W`. Clones are the same pool. When the last one is dropped, the pool is terminated.
pub struct Pool<W: Worker> {
    shared: Arc<Shared>,
    options: CallOptions,
    worker: PhantomData<fn() -> W>,
}

struct Shared {
    job: JobId,
    home: Arc<dyn Home>,
    /// `None` once the pool is closed.
    packing: Mutex<Option<Packing>>,
    terminate: mpsc::UnboundedSender<Terminate>,
    served: watch::Receiver<(u32, u64)>,
    version: Arc<AtomicU64>,
    over: Arc<OnceLock<PoolError>>,
    /// Closed when the pool has ended.
    ended: watch::Receiver<()>,
}

/// The job of a new pool of `W`, whose workers begin with `init`.
pub fn spec<W: Worker>(pool: JobId, init: &W::Init) -> Result<Spec, PoolError> {
    Ok(Spec { pool, worker: W::NAME.to_owned(), init: write::<W, _>(init, "what its workers begin with")? })
}

fn write<W: Worker, T: serde::Serialize>(value: &T, what: &str) -> Result<Payload, PoolError> {
    let mut bytes = Vec::new();
    let written = W::Codec::write(value, &mut bytes);
    written.map_err(|error| PoolError::Refused(format!("{what} cannot be written: {error}")))?;
    if bytes.len() > UPDATE_BYTES_MAX {
        let bytes = bytes.len();
        return Err(PoolError::Refused(format!("{what} has {bytes} bytes, and may have {UPDATE_BYTES_MAX}")));
    }
    Ok(Payload { content_type: W::Codec::CONTENT_TYPE, bytes: bytes.into() })
}

impl<W: Worker> Pool<W> {
    /// The same pool, whose calls are done in another way.
    #[must_use]
    pub fn with(&self, options: CallOptions) -> Self {
        Self { shared: Arc::clone(&self.shared), options, worker: PhantomData }
    }

    /// The pool's job, as `packhorse status` and consumers' logs name it.
    pub fn job(&self) -> &JobId {
        &self.shared.job
    }

    /// Calls the worker with each argument; returns the results in the order of the arguments. If a
    /// call has no result, that is the error, and the results of the others are dropped: use
    /// [`Pool::imap`] to have them.
    pub async fn map<I>(&self, arguments: I) -> Result<Vec<W::Output>, PoolError>
    where
        I: IntoIterator<Item = W::Job> + Send + 'static,
        W::Job: Send,
    {
        let mut results = self.imap_unordered(arguments)?;
        let mut outputs = Vec::new();
        while let Some((index, result)) = results.next_with_index().await {
            let output = result?;
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            if place >= outputs.len() {
                outputs.resize_with(place + 1, || None);
            }
            outputs[place] = Some(output);
        }
        Ok(outputs.into_iter().flatten().collect())
    }

    /// Calls the worker with each argument. The results come in the order of the arguments. The
    /// iterator may be endless: it is asked for as many as the results are taken, and a few more,
    /// on a thread of its own, so that it may block.
    pub fn imap<I>(&self, arguments: I) -> Result<Results<W>, PoolError>
    where
        I: IntoIterator<Item = W::Job> + Send + 'static,
        W::Job: Send,
    {
        self.feed(arguments, true)
    }

    /// The same, with the results as they come.
    pub fn imap_unordered<I>(&self, arguments: I) -> Result<Results<W>, PoolError>
    where
        I: IntoIterator<Item = W::Job> + Send + 'static,
        W::Job: Send,
    {
        self.feed(arguments, false)
    }

    fn feed<I>(&self, arguments: I, is_ordered: bool) -> Result<Results<W>, PoolError>
    where
        I: IntoIterator<Item = W::Job> + Send + 'static,
        W::Job: Send,
    {
        let (deliveries, delivered) = mpsc::unbounded_channel();
        let CallOptions { retries, version } = self.options;
        let wanted = Wanted { deliveries, retries, version };
        feed::start::<W, I>(self.packing()?, arguments, wanted)
            .map_err(|error| PoolError::Stopped(error.to_string()))?;
        Ok(Results::new(delivered, is_ordered, Arc::clone(&self.shared.over)))
    }

    /// Calls the worker once.
    pub async fn apply(&self, argument: &W::Job) -> Result<W::Output, PoolError> {
        let packing = self.packing()?;
        let mut builder = PackBuilder::default();
        let written = builder.push(|to| W::Codec::write(argument, to));
        written.map_err(|cause| PoolError::Codec { index: 0, cause })?;
        if builder.bytes() > shared::protocol::limits::RESULT_BYTES_MAX {
            return Err(PoolError::TooLarge { index: 0, bytes: builder.bytes() });
        }
        let (deliveries, delivered) = mpsc::unbounded_channel();
        let CallOptions { retries, version } = self.options;
        let caller = Arc::new(Caller { deliveries, retries });
        caller.deliver(Delivery::End { calls: 1 });
        let packed = feed::pack(&packing, &mut builder, &caller, 0, version);
        drop(caller);
        // If the pool has ended, the results say why.
        let _ = packing.packs.send(packed);
        let mut results = Results::<W>::new(delivered, false, Arc::clone(&self.shared.over));
        results.next().await.unwrap_or(Err(PoolError::Terminated))
    }

    /// Each worker handles this update once, after those before it: before its next call, or at
    /// once if it has nothing to do. A worker that begins later handles all updates before its first
    /// call. Returns the version of the update once the owner has it; calls that are sent from then
    /// on are done by workers that have handled it.
    pub async fn update_workers(&self, update: &W::Update) -> Result<u64, PoolError> {
        self.update(update, false).await
    }

    /// The same with an update that replaces all before it, such as the whole new state: a worker
    /// that has not handled those skips them.
    pub async fn replace_updates(&self, update: &W::Update) -> Result<u64, PoolError> {
        self.update(update, true).await
    }

    async fn update(&self, update: &W::Update, replaces: bool) -> Result<u64, PoolError> {
        self.packing()?;
        let update = write::<W, _>(update, "the update")?;
        let version = self.shared.home.update(update, replaces).await.map_err(PoolError::Refused)?;
        self.shared.version.fetch_max(version, Ordering::Release);
        Ok(version)
    }

    /// Slots that have a worker of this pool.
    pub fn workers_count(&self) -> u64 {
        self.shared.served.borrow().1
    }

    /// Consumers that have workers of this pool.
    pub fn nodes_count(&self) -> u32 {
        self.shared.served.borrow().0
    }

    /// Waits until there are so many workers; returns how many there are.
    pub async fn wait_for_workers(&self, wanted: u64, timeout: Duration) -> Result<u64, PoolError> {
        let mut served = self.shared.served.clone();
        let deadline = Instant::now() + timeout;
        let there = tokio::time::timeout_at(deadline, served.wait_for(|(_, slots)| *slots >= wanted)).await;
        match there {
            Ok(Ok(served)) => Ok(served.1),
            Ok(Err(_)) => Err(self.why_over()),
            Err(_) => {
                let why = self.shared.home.status().await.and_then(|status| status.waits);
                Err(PoolError::NoWorkers { wanted, there: self.workers_count(), waited: timeout, why })
            }
        }
    }

    /// The status of the pool's job: its items are calls.
    pub async fn status(&self) -> Result<JobStatus, PoolError> {
        self.shared.home.status().await.ok_or_else(|| self.why_over())
    }

    /// Takes no more calls, and waits until those that were made have their results. An iterator
    /// goes on to its end, so one without an end must be dropped first, with its [`Results`].
    pub async fn close(&self) -> Result<(), PoolError> {
        drop(self.shared.packing.lock().unwrap_or_else(PoisonError::into_inner).take());
        // It changes only by being closed.
        let _ = self.shared.ended.clone().changed().await;
        match self.why_over() {
            PoolError::Closed => Ok(()),
            why => Err(why),
        }
    }

    /// Ends the pool now. Calls without a result get [`PoolError::Terminated`].
    pub async fn terminate(&self) {
        drop(self.shared.packing.lock().unwrap_or_else(PoisonError::into_inner).take());
        let (ended, is_over) = oneshot::channel();
        // If nobody listens, it has ended.
        if self.shared.terminate.send(Some(ended)).is_ok() {
            let _ = is_over.await;
        }
    }

    fn packing(&self) -> Result<Packing, PoolError> {
        if let Some(why) = self.shared.over.get() {
            return Err(why.clone());
        }
        let latest = self.shared.version.load(Ordering::Acquire);
        if let Some(version) = self.options.version.filter(|version| *version > latest) {
            let reason = format!("version {version} is asked for, and the latest update has version {latest}");
            return Err(PoolError::Refused(reason));
        }
        self.shared.packing.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(PoolError::Closed)
    }

    fn why_over(&self) -> PoolError {
        self.shared.over.get().cloned().unwrap_or(PoolError::Terminated)
    }
}

impl<W: Worker> Clone for Pool<W> {
    fn clone(&self) -> Self {
        self.with(self.options.clone())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // For a pool that has ended nobody listens.
        let _ = self.terminate.send(None);
    }
}
