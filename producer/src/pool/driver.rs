//! Plans packs as tasks of the pool's job, and delivers their results.
//!
//! Invariant: the driver knows each call from its pack until its result is delivered, and each
//! result is delivered once. The owner counts the outcome of each task once, and what a slot leaves
//! of a pack is a new task.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shared::protocol::id::{Class, OpeningId, PlanHash};
use shared::protocol::message::{Notes, Place, Planned, Verdict};
use shared::protocol::payload::Payload;
use shared::protocol::workload::call::{CallResult, Pack, PackBuilder, Results};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::error::PoolError;
use super::home::{Home, News, Stream};
use super::pack::{Delivery, Packed, Source, Terminate};
use super::sizes::Sizes;

/// Tasks that are out at a time, at most, where packs are as large as they may be and still short:
/// that many keep all slots of many consumers busy. Of others there are two for each slot: more
/// packs that have yet to grow would only delay the larger ones.
const OUT_MAX: usize = 1_024;

/// Tasks that are out while no slot is known.
const OUT_MIN: usize = 4;

/// Interval of looks whether calls wait without a worker.
const LOOK: Duration = Duration::from_secs(5);

/// News that are handled before their results are confirmed to the owner, at most.
const BATCH: usize = 256;

/// A pack that is out.
struct Flight {
    packed: Packed,
    /// How long its work should take.
    expected: Duration,
    sent_at: Instant,
}

/// Runs a pool's job.
pub(super) struct Driver {
    home: Arc<dyn Home>,
    stream: Box<dyn Stream>,
    packs: mpsc::Receiver<Packed>,
    terminate: mpsc::UnboundedReceiver<Terminate>,
    sizes: Arc<Sizes>,
    served: watch::Sender<(u32, u64)>,
    class: Class,
    opening: OpeningId,
    flights: BTreeMap<u64, Flight>,
    /// The sum over `flights`.
    expected: Duration,
    /// Whether the latest pack is as large as such packs become.
    is_grown: bool,
    /// The number of the next task.
    next: u64,
    hash: PlanHash,
    /// Tasks whose results were delivered, to be confirmed.
    taken: Vec<u64>,
    over: Arc<OnceLock<PoolError>>,
    /// How often in a row calls waited without a worker.
    idle_looks: u32,
}

/// What a driver needs from the pool.
pub(super) struct Wiring {
    pub packs: mpsc::Receiver<Packed>,
    pub terminate: mpsc::UnboundedReceiver<Terminate>,
    pub sizes: Arc<Sizes>,
    pub served: watch::Sender<(u32, u64)>,
    /// Why the pool has ended.
    pub over: Arc<OnceLock<PoolError>>,
}

impl Driver {
    pub fn new(home: Arc<dyn Home>, stream: Box<dyn Stream>, class: Class, opening: OpeningId, wiring: Wiring) -> Self {
        let Wiring { packs, terminate, sizes, served, over } = wiring;
        Self {
            home,
            stream,
            packs,
            terminate,
            sizes,
            served,
            class,
            opening,
            flights: BTreeMap::new(),
            expected: Duration::ZERO,
            is_grown: false,
            next: 0,
            hash: PlanHash::start(),
            taken: Vec::new(),
            over,
            idle_looks: 0,
        }
    }

    /// Runs until all callers are gone and all results are there, or the pool is terminated, or its
    /// owner stops.
    pub async fn run(mut self) {
        let mut is_closed = false;
        let mut look = tokio::time::interval(LOOK);
        while !(is_closed && self.flights.is_empty()) {
            let may_plan = !is_closed && self.may_plan();
            tokio::select! {
                biased;
                Some(ended) = self.terminate.recv() => return self.end_now(ended).await,
                news = poll_fn(|context| self.stream.poll_next(context)) => match news {
                    Some(news) => self.hear_all(news).await,
                    None => return self.stopped().await,
                },
                _ = look.tick() => self.look().await,
                pack = self.packs.recv(), if may_plan => match pack {
                    Some(packed) => self.plan(packed).await,
                    None => is_closed = true,
                },
            }
        }
        let place = self.place();
        self.home.end_plan(place, self.next).await;
        let ended = self.home.end().await;
        self.note(ended.err().map_or(PoolError::Closed, PoolError::Stopped));
    }

    /// Says why calls wait, if no worker does them.
    async fn look(&mut self) {
        let is_idle = self.served.borrow().1 == 0 && !self.flights.is_empty();
        if !is_idle {
            self.idle_looks = 0;
            return;
        }
        self.idle_looks += 1;
        // At the second look, so that consumers have had the time to hear of the pool.
        if self.idle_looks == 2 {
            let why = self.home.status().await.and_then(|status| status.waits);
            let why = why.unwrap_or_else(|| "start a consumer that has registered its kind of worker".to_owned());
            tracing::warn!(calls = self.flights.len(), "Calls of a pool wait, and it has no workers: {why}.");
        }
    }

    fn note(&self, why: PoolError) {
        // The first reason counts.
        let _ = self.over.set(why);
    }

    async fn end_now(self, ended: Terminate) {
        self.note(PoolError::Terminated);
        self.home.cancel().await;
        // It was cancelled, so how it ends is known.
        let _ = self.home.end().await;
        if let Some(ended) = ended {
            let _ = ended.send(());
        }
    }

    /// The owner has stopped by itself.
    async fn stopped(self) {
        let why = self.home.end().await.err().unwrap_or_else(|| "its owner has ended".to_owned());
        self.note(PoolError::Stopped(why));
    }

    /// Whether another pack is to go out: two for each slot, or as many of the largest as two packs
    /// of the usual duration take.
    fn may_plan(&self) -> bool {
        let (out, slots) = (self.flights.len(), self.served.borrow().1);
        let slots = usize::try_from(slots).unwrap_or(usize::MAX);
        let room = self.sizes.target() * 2 * u32::try_from(slots.min(OUT_MAX)).unwrap_or(1);
        let is_short = self.is_grown && out < OUT_MAX && self.expected < room;
        is_short || out < OUT_MIN.max(slots.saturating_mul(2)).min(OUT_MAX * 16)
    }

    fn place(&self) -> Place {
        Place { opening: self.opening.clone(), after: self.hash.clone() }
    }

    async fn plan(&mut self, packed: Packed) {
        let number = self.next;
        let planned = Planned {
            number,
            class: self.class.clone(),
            body: Some(packed.body.clone()),
            items: packed.calls,
            bytes: 0,
            notes: Notes::default(),
            at: None,
        };
        let place = self.place();
        self.hash = planned.hash(&place.after);
        self.next += 1;
        let expected = self.sizes.expected(packed.calls as usize, packed.bytes);
        // Without room it is a single call, or what was left of a pack: such do not grow.
        self.is_grown = packed.room.is_none() || self.sizes.is_largest(packed.calls as usize, packed.bytes);
        self.expected += expected;
        self.flights.insert(number, Flight { packed, expected, sent_at: Instant::now() });
        // If the owner has stopped, its stream ends.
        self.home.plan(place, Box::new(planned)).await;
    }

    /// Handles this and the news that are there already.
    async fn hear_all(&mut self, news: News) {
        let mut next = Some(news);
        for heard in 1.. {
            match next {
                Some(News::Served { consumers, slots }) => drop(self.served.send_replace((consumers, slots))),
                Some(News::Counted { number, verdict, micros }) => self.counted(number, verdict, micros).await,
                None => break,
            }
            next = if heard < BATCH { self.next_there().await } else { None };
        }
        if !self.taken.is_empty() {
            self.home.taken(std::mem::take(&mut self.taken)).await;
        }
    }

    /// The next news, if it is there already.
    async fn next_there(&mut self) -> Option<News> {
        let next = poll_fn(|context| Poll::Ready(self.stream.poll_next(context))).await;
        if let Poll::Ready(news) = next { news } else { None }
    }

    async fn counted(&mut self, number: u64, verdict: Verdict, micros: u64) {
        let Some(Flight { packed, expected, sent_at }) = self.flights.remove(&number) else { return };
        self.expected = self.expected.saturating_sub(expected);
        self.taken.push(number);
        let answer = match verdict {
            Verdict::Done(answer) => answer,
            Verdict::Failed(failure) | Verdict::Permanent(failure) => {
                if packed.calls > 1 {
                    return self.plan_alone(packed).await;
                }
                let (first, reason) = (packed.first, failure.reason);
                return packed.source.deliver(Delivery::GivenUp { index: first, reason });
            }
        };
        // The owner has read it, so it can be read.
        let Ok((done, failed, left)) = Results::count(&answer) else { return };
        let trip = sent_at.elapsed().saturating_sub(Duration::from_micros(micros));
        self.sizes.learn(packed.calls as usize, packed.bytes, done + failed, micros, trip);
        let mut packed = packed;
        if left > 0 {
            let room = packed.room.take();
            self.plan_rest(&packed, room, left, micros / u64::from((done + failed).max(1))).await;
        }
        if failed > 0 && packed.tries < packed.source.retries {
            return self.retry(packed, &answer).await;
        }
        let Packed { source, first, room, .. } = packed;
        source.deliver(Delivery::Answer { first, answer, room });
    }

    /// A slot has left the last calls of a pack, and needed so many microseconds for each of the
    /// others: those that were left go out again, in tasks of their own.
    async fn plan_rest(&mut self, packed: &Packed, mut room: Option<OwnedSemaphorePermit>, left: u32, micros: u64) {
        let Ok(pack) = Pack::parse(&packed.body) else { return };
        let from = pack.calls.len() - left as usize;
        let mut first = packed.first + from as u64;
        for calls in pack.calls[from..].chunks(self.sizes.cut(micros)) {
            self.plan_calls(&packed.source, first, (calls, pack.need), packed.tries, room.take()).await;
            first += calls.len() as u64;
        }
    }

    /// No consumer could do a pack: each of its calls goes out again in a task of its own, because
    /// one of them may be to blame.
    async fn plan_alone(&mut self, mut packed: Packed) {
        let room = packed.room.take();
        self.plan_rest(&packed, room, packed.calls, u64::MAX).await;
    }

    /// Delivers the results of a pack, and sends each call again that returned an error.
    async fn retry(&mut self, packed: Packed, answer: &Payload) {
        let (Ok(pack), Ok(results)) = (Pack::parse(&packed.body), Results::parse(answer)) else { return };
        let Packed { source, first, tries, room, .. } = packed;
        let mut done: Vec<(u64, CallResult)> = Vec::new();
        for ((index, call), result) in (first..).zip(&pack.calls).zip(results.results) {
            if result.is_ok() {
                done.push((index, result));
            } else {
                self.plan_calls(&source, index, (std::slice::from_ref(call), pack.need), tries + 1, None).await;
            }
        }
        source.deliver(Delivery::Results(done, room));
    }

    /// Sends calls of a pack once more, which need a version.
    async fn plan_calls(
        &mut self,
        source: &Arc<Source>,
        first: u64,
        (calls, need): (&[Bytes], u64),
        tries: u32,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let mut builder = PackBuilder::default();
        calls.iter().for_each(|call| builder.push_bytes(call));
        let (count, bytes) = (u32::try_from(calls.len()).unwrap_or(u32::MAX), builder.bytes());
        let body = builder.finish(need, self.sizes.budget(calls.len()));
        self.plan(Packed { source: Arc::clone(source), first, calls: count, bytes, body, tries, room }).await;
    }
}
