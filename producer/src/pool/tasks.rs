//! The tasks of a pool's job: packs become tasks, and their results are delivered.
//!
//! Invariant: each call is known here from its pack until its result is delivered, and each result
//! is delivered once. The owner counts the outcome of each task once, and what a slot leaves of a
//! pack is a new task.

use std::collections::{BTreeMap, VecDeque};
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use shared::protocol::id::Class;
use shared::protocol::message::{Notes, Planned, Verdict};
use shared::protocol::payload::Payload;
use shared::protocol::workload::call::{CallResult, Pack, PackBuilder, Results};
use tokio::sync::{mpsc, oneshot, watch};

use super::home::{Home, News, Stream};
use super::pack::{Caller, Delivery, Packed};
use super::room::Place;
use super::sizes::Sizes;
use crate::client::ProducerError;
use crate::client::source::Source;
use crate::planner::{BrokenOff, Step};

/// Tasks that are out at a time, at most, where packs are as large as they may be and still short:
/// that many keep all slots of many consumers busy. Of others there are two for each slot: more
/// packs that have yet to grow would only delay the larger ones.
const OUT_MAX: usize = 1_024;

/// Tasks that are out while no slot is known.
const OUT_MIN: usize = 4;

/// News that are handled before their results are confirmed to the owner, at most.
const BATCH: usize = 256;

/// Results of packs with so many calls at most are delivered together with others.
const TOGETHER: u32 = 16;

/// A pack that is out, or the call of it that a slot is stuck in.
struct Flight {
    packed: Packed,
    /// Whether it is that call: the results before it were delivered, and the calls after it are out
    /// in other tasks.
    is_rest: bool,
    /// How long its work should take.
    expected: Duration,
    sent_at: Instant,
}

/// The owner of the job, once it is open.
pub(super) struct Joined {
    pub home: Arc<dyn Home>,
    pub stream: Box<dyn Stream>,
}

/// The tasks of a pool's job, for the client that submits it.
pub struct Tasks {
    joined: Option<Joined>,
    joining: oneshot::Receiver<Joined>,
    packs: mpsc::UnboundedReceiver<Packed>,
    /// Whether all callers are gone.
    is_closed: bool,
    sizes: Arc<Sizes>,
    served: watch::Sender<(u32, u64)>,
    class: Class,
    /// Tasks that the client takes next.
    ready: VecDeque<Box<Planned>>,
    flights: BTreeMap<u64, Flight>,
    /// The sum over `flights`.
    expected: Duration,
    /// Whether the latest pack is as large as such packs become.
    is_grown: bool,
    /// The number of the next task.
    next: u64,
    /// Tasks whose results were delivered, to be confirmed.
    taken: Vec<u64>,
    /// Deliveries to one caller that have not gone out.
    deliveries: Option<(Arc<Caller>, Vec<Delivery>)>,
}

/// What the tasks need from the pool.
pub(super) struct Wiring {
    pub joining: oneshot::Receiver<Joined>,
    pub packs: mpsc::UnboundedReceiver<Packed>,
    pub sizes: Arc<Sizes>,
    pub served: watch::Sender<(u32, u64)>,
}

impl Source for Tasks {
    fn begin(&mut self, _: u64) -> Result<(), ProducerError> {
        Ok(())
    }

    /// The plan ends when all callers are gone and all results are there.
    async fn next(&mut self) -> Result<Step, BrokenOff> {
        loop {
            if let Some(planned) = self.ready.pop_front() {
                return Ok(Step::Task(planned));
            }
            if self.is_closed && self.flights.is_empty() {
                return Ok(Step::End);
            }
            let may_plan = !self.is_closed && self.may_plan();
            let Some(joined) = &mut self.joined else {
                match (&mut self.joining).await {
                    Ok(joined) => self.joined = Some(joined),
                    // Nobody has the pool.
                    Err(_) => return pending().await,
                }
                continue;
            };
            tokio::select! {
                biased;
                news = poll_fn(|context| joined.stream.poll_next(context)) => match news {
                    Some(news) => self.hear_all(news),
                    // The owner has stopped. Whoever drives the client hears why.
                    None => return pending().await,
                },
                pack = self.packs.recv(), if may_plan => match pack {
                    Some(packed) => self.plan(packed),
                    None => self.is_closed = true,
                },
            }
        }
    }

    /// The results of calls are gone to their callers.
    fn can_begin_again(&self) -> bool {
        false
    }
}

impl Tasks {
    pub(super) fn new(class: Class, wiring: Wiring) -> Self {
        let Wiring { joining, packs, sizes, served } = wiring;
        Self {
            joined: None,
            joining,
            packs,
            is_closed: false,
            sizes,
            served,
            class,
            ready: VecDeque::new(),
            flights: BTreeMap::new(),
            expected: Duration::ZERO,
            is_grown: false,
            next: 0,
            taken: Vec::new(),
            deliveries: None,
        }
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

    fn plan(&mut self, mut packed: Packed) {
        packed.unsent = None;
        let number = self.next;
        self.next += 1;
        self.ready.push_back(Box::new(Planned {
            number,
            class: self.class.clone(),
            body: Some(packed.body.clone()),
            items: packed.calls,
            bytes: 0,
            notes: Notes::default(),
            at: None,
        }));
        let expected = self.sizes.expected(packed.calls as usize, packed.bytes);
        // Without room it is a single call, or what was left of a pack: such do not grow.
        self.is_grown = packed.room.is_none() || self.sizes.is_largest(packed.calls as usize, packed.bytes);
        self.expected += expected;
        self.flights.insert(number, Flight { packed, is_rest: false, expected, sent_at: Instant::now() });
    }

    /// Handles this and the news that are there already.
    fn hear_all(&mut self, news: News) {
        let mut next = Some(news);
        for heard in 1.. {
            match next {
                Some(News::Served { consumers, slots }) => drop(self.served.send_replace((consumers, slots))),
                Some(News::Early { number, answer, micros }) => self.early(number, answer, micros),
                Some(News::Counted { number, verdict, micros }) => self.counted(number, verdict, micros),
                None => break,
            }
            let joined = self.joined.as_mut().filter(|_| heard < BATCH);
            next = joined.and_then(|joined| joined.stream.next_there());
        }
        self.send_deliveries();
        if let Some(joined) = self.joined.as_ref().filter(|_| !self.taken.is_empty()) {
            joined.home.taken(std::mem::take(&mut self.taken));
        }
    }

    /// A slot is stuck in a call: the results before it are delivered, and the calls after it go out
    /// again.
    fn early(&mut self, number: u64, answer: Payload, micros: u64) {
        let Some(Flight { packed, .. }) = self.flights.get(&number) else { return };
        let (Ok(pack), Ok((done, failed, left))) = (Pack::parse(&packed.body), Results::count(&answer)) else {
            return;
        };
        let results = done + failed;
        let Some(call) = pack.calls.get(results as usize) else { return };
        let first = packed.first + u64::from(results);
        let rest = self.packed(&packed.caller, first, (std::slice::from_ref(call), pack.need), packed.tries, None);
        let Some(flight) = self.flights.get_mut(&number) else { return };
        let mut packed = std::mem::replace(&mut flight.packed, rest);
        flight.is_rest = true;
        let (calls, bytes) = (packed.calls as usize, packed.bytes);
        let micros = if results > 0 {
            self.sizes.learn(calls, bytes, results, micros, flight.sent_at.elapsed());
            micros / u64::from(results)
        } else {
            // The others are taken for what such calls were before.
            u64::try_from(self.sizes.expected(calls, bytes).as_micros()).unwrap_or(u64::MAX) / calls.max(1) as u64
        };
        if left > 0 {
            let room = packed.room.take();
            self.plan_rest(&packed, room, left, micros);
        }
        if results > 0 {
            self.deliver(packed, answer, failed);
        }
    }

    fn counted(&mut self, number: u64, verdict: Verdict, micros: u64) {
        let Some(Flight { packed, is_rest, expected, sent_at }) = self.flights.remove(&number) else { return };
        self.expected = self.expected.saturating_sub(expected);
        self.taken.push(number);
        let answer = match verdict {
            Verdict::Done(answer) if is_rest => last_of(&answer),
            Verdict::Done(answer) => answer,
            Verdict::Failed(failure) | Verdict::Permanent(failure) => {
                if packed.calls > 1 {
                    return self.plan_alone(packed);
                }
                let (first, reason) = (packed.first, failure.reason);
                return self.hand_out(&packed.caller, Delivery::GivenUp { index: first, reason });
            }
        };
        // The owner has read it, so it can be read.
        let Ok((done, failed, left)) = Results::count(&answer) else { return };
        let trip = sent_at.elapsed().saturating_sub(Duration::from_micros(micros));
        self.sizes.learn(packed.calls as usize, packed.bytes, done + failed, micros, trip);
        let mut packed = packed;
        if left > 0 {
            let room = packed.room.take();
            self.plan_rest(&packed, room, left, micros / u64::from((done + failed).max(1)));
        }
        self.deliver(packed, answer, failed);
    }

    /// Delivers to a caller, together with what follows at once.
    fn hand_out(&mut self, to: &Arc<Caller>, delivery: Delivery) {
        match &mut self.deliveries {
            Some((caller, deliveries)) if Arc::ptr_eq(caller, to) => deliveries.push(delivery),
            _ => {
                self.send_deliveries();
                self.deliveries = Some((Arc::clone(to), vec![delivery]));
            }
        }
    }

    fn send_deliveries(&mut self) {
        match self.deliveries.take().map(|(caller, mut deliveries)| (caller, deliveries.pop(), deliveries)) {
            Some((caller, Some(one), others)) if others.is_empty() => caller.deliver(one),
            Some((caller, Some(last), mut all)) => {
                all.push(last);
                caller.deliver(Delivery::Several(all));
            }
            _ => {}
        }
    }

    /// Delivers the results of a pack's first calls, of which so many are errors.
    fn deliver(&mut self, packed: Packed, answer: Payload, failed: u32) {
        if failed > 0 && packed.tries < packed.caller.retries {
            return self.retry(packed, &answer);
        }
        let Packed { caller, first, calls, room, .. } = packed;
        self.hand_out(&caller, Delivery::Answer { first, answer, room });
        if calls > TOGETHER {
            self.send_deliveries();
        }
    }

    /// A slot has left the last calls of a pack, and needed so many microseconds for each of the
    /// others: those that were left go out again, in tasks of their own.
    fn plan_rest(&mut self, packed: &Packed, mut room: Option<Place>, left: u32, micros: u64) {
        let Ok(pack) = Pack::parse(&packed.body) else { return };
        let from = pack.calls.len() - left as usize;
        let mut first = packed.first + from as u64;
        for calls in pack.calls[from..].chunks(self.sizes.cut(micros)) {
            self.plan_calls(&packed.caller, first, (calls, pack.need), packed.tries, room.take());
            first += calls.len() as u64;
        }
    }

    /// No consumer could do a pack: each of its calls goes out again in a task of its own, because
    /// one of them may be to blame.
    fn plan_alone(&mut self, mut packed: Packed) {
        let room = packed.room.take();
        self.plan_rest(&packed, room, packed.calls, u64::MAX);
    }

    /// Delivers the results of a pack, and sends each call again that returned an error.
    fn retry(&mut self, packed: Packed, answer: &Payload) {
        let (Ok(pack), Ok(results)) = (Pack::parse(&packed.body), Results::parse(answer)) else { return };
        let Packed { caller, first, tries, room, .. } = packed;
        let mut done: Vec<(u64, CallResult)> = Vec::new();
        for ((index, call), result) in (first..).zip(&pack.calls).zip(results.results) {
            if result.is_ok() {
                done.push((index, result));
            } else {
                self.plan_calls(&caller, index, (std::slice::from_ref(call), pack.need), tries + 1, None);
            }
        }
        self.hand_out(&caller, Delivery::Results(done, room));
    }

    /// Sends calls of a pack once more, which need a version.
    fn plan_calls(
        &mut self,
        caller: &Arc<Caller>,
        first: u64,
        calls: (&[Bytes], u64),
        tries: u32,
        room: Option<Place>,
    ) {
        let packed = self.packed(caller, first, calls, tries, room);
        self.plan(packed);
    }

    /// A pack of calls that were in another one.
    fn packed(
        &self,
        caller: &Arc<Caller>,
        first: u64,
        (calls, need): (&[Bytes], u64),
        tries: u32,
        room: Option<Place>,
    ) -> Packed {
        let mut builder = PackBuilder::default();
        calls.iter().for_each(|call| builder.push_bytes(call));
        let (count, bytes) = (u32::try_from(calls.len()).unwrap_or(u32::MAX), builder.bytes());
        let body = builder.finish(need, self.sizes.budget(calls.len()));
        Packed { caller: Arc::clone(caller), first, calls: count, bytes, body, tries, room, unsent: None }
    }
}

/// The answer with the last result only: the early answer had the others.
fn last_of(answer: &Payload) -> Payload {
    // The owner has read it, so it can be read.
    let Ok(Results { at, mut results, .. }) = Results::parse(answer) else { return answer.clone() };
    let last = results.pop().into_iter().collect();
    Results { at, left: 0, results: last }.answer()
}
