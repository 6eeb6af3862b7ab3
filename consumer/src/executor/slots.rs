//! Slots: a fixed number of places for work, each with an operating-system thread of its own. The
//! thread has the slot's name, starts with the slot's first task and ends when the slots close.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use shared::protocol::limits::SLOT_THREADS_MAX;
use shared::protocol::message::Task;
use shared::protocol::payload::Payload;
use shared::system::threads::{self, NoThread};

use super::{Assigned, Ended, Executor, Report, Sink};
use crate::engine::{Done, Tag};
use crate::work::{Context, GiveEarly, Site, WorkError};

/// What a slot does tasks with. It is made on the slot's thread and never leaves it.
pub(crate) trait Doer {
    /// Does a task. It returns when the work has ended, so a child process that it starts does not
    /// outlive the thread.
    fn work(&mut self, task: &Task, context: Context<'_>) -> Result<Payload, WorkError>;

    /// There is news between tasks: see [`Executor::nudge`].
    fn catch_up(&mut self) {}
}

/// Makes what the slot of this number does tasks with.
pub(crate) type Maker = Box<dyn Fn(u32) -> Box<dyn Doer> + Send + Sync>;

/// How slots do a task that keep nothing between tasks.
pub(super) type Method = Box<dyn Fn(&Task, Context<'_>) -> Result<Payload, WorkError> + Send + Sync>;

impl Doer for Arc<Method> {
    fn work(&mut self, task: &Task, context: Context<'_>) -> Result<Payload, WorkError> {
        self(task, context)
    }
}

/// All slots do tasks in this way.
pub(super) fn alike(method: Method) -> Maker {
    let method = Arc::new(method);
    Box::new(move |_| Box::new(Arc::clone(&method)))
}

pub(crate) struct Slots {
    /// The names of the threads, with `#` for the slot's number.
    name: String,
    count: u32,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Tasks that wait for [`Executor::go`].
    fresh: Vec<Assigned>,
}

struct Shared {
    state: Mutex<State>,
    news: Condvar,
    make: Maker,
    site: Arc<Site>,
    sink: Sink,
}

#[derive(Default)]
struct State {
    /// Tasks that no thread has taken yet.
    waiting: VecDeque<Assigned>,
    /// For each task that waits or runs, the flag that tells its work to stop.
    cancelled: BTreeMap<Tag, Arc<AtomicBool>>,
    /// Threads that wait for a task or for news.
    idle: usize,
    /// How often there was news.
    nudges: u64,
    is_closed: bool,
}

/// What a slot's thread does next.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum Next {
    Work(Assigned, Arc<AtomicBool>),
    CatchUp,
}

impl Slots {
    /// `count` slots, as far as [`SLOT_THREADS_MAX`] allows. `name` is that of the threads, with `#`
    /// for the slot's number.
    pub fn new(name: String, count: u32, site: Arc<Site>, make: Maker, sink: Sink) -> Self {
        let count = count.min(SLOT_THREADS_MAX);
        let (state, news) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { state, news, make, site, sink });
        Self { name, count, shared, threads: Vec::new(), fresh: Vec::new() }
    }

    /// Starts the thread of one more slot. Once there is one, all tasks get done.
    pub fn add_thread(&mut self) -> Result<(), NoThread> {
        let shared = Arc::clone(&self.shared);
        let number = u32::try_from(self.threads.len()).unwrap_or(u32::MAX);
        let name = self.name.replace('#', &number.to_string());
        self.threads.push(threads::start(&name, move || shared.serve(number))?);
        Ok(())
    }
}

impl Executor for Slots {
    fn slots(&self) -> u32 {
        self.count
    }

    fn start(&mut self, assigned: Assigned) {
        self.fresh.push(assigned);
    }

    fn go(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let (tasks, woken) = self.shared.add(self.fresh.drain(..));
        (0..woken).for_each(|_| self.shared.news.notify_one());
        while self.threads.len() < tasks.min(self.count as usize) {
            match self.add_thread() {
                Ok(()) => continue,
                Err(error) if self.threads.is_empty() => self.shared.fail_waiting(&error),
                Err(error) => tracing::warn!(%error, slot = self.name, "Tasks wait for the threads of other slots."),
            }
            break;
        }
    }

    fn cancel(&mut self, tag: Tag) {
        self.go();
        if let Some(cancelled) = self.shared.state().cancelled.get(&tag) {
            cancelled.store(true, Ordering::Relaxed);
        }
    }

    fn nudge(&mut self) {
        self.shared.state().nudges += 1;
        self.shared.news.notify_all();
    }

    fn close(mut self: Box<Self>) {
        self.go();
        self.shared.close();
        for thread in std::mem::take(&mut self.threads) {
            // A panic in the work was caught, and the thread went on.
            let _ = thread.join();
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} slots named {:?}, {} with a thread", self.count, self.name, self.threads.len())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds tasks. Returns how many the slots have now, and how many threads to wake for them.
    fn add(&self, tasks: impl ExactSizeIterator<Item = Assigned>) -> (usize, usize) {
        let mut state = self.state();
        let woken = tasks.len().min(state.idle);
        for assigned in tasks {
            state.cancelled.insert(assigned.tag, Arc::default());
            state.waiting.push_back(assigned);
        }
        (state.cancelled.len(), woken)
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.news.notify_all();
    }

    /// The loop of a slot's thread.
    fn serve(&self, number: u32) {
        let (mut doer, mut nudges) = ((self.make)(number), 0);
        while let Some(next) = self.next(&mut nudges) {
            let Next::Work(assigned, cancelled) = next else {
                // A panic was printed, and what it left is tried with the next task.
                let _ = catch_unwind(AssertUnwindSafe(|| doer.catch_up()));
                continue;
            };
            let ended = self.work(&mut *doer, assigned, &cancelled);
            // Before the report: the task that is started for it is this thread's next one.
            self.state().cancelled.remove(&ended.tag);
            (self.sink)(Report::Ended(ended));
        }
    }

    /// Waits for a task, or for news since `nudges`. `None` when the slots are closed and no task
    /// waits.
    fn next(&self, nudges: &mut u64) -> Option<Next> {
        let mut state = self.state();
        loop {
            if let Some(assigned) = state.waiting.pop_front() {
                let cancelled = state.cancelled.get(&assigned.tag).map(Arc::clone).unwrap_or_default();
                return Some(Next::Work(assigned, cancelled));
            }
            if state.is_closed {
                return None;
            }
            if std::mem::replace(nudges, state.nudges) != state.nudges {
                return Some(Next::CatchUp);
            }
            state.idle += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    fn work(&self, doer: &mut dyn Doer, assigned: Assigned, cancelled: &AtomicBool) -> Ended {
        let Assigned { tag, task, mut parts } = assigned;
        let started = Instant::now();
        let is_cancelled = || cancelled.load(Ordering::Relaxed);
        let mut publish = |piece| parts.publish(piece, &is_cancelled);
        let (site, planned_at) = (&*self.site, task.planned_at);
        let early = || -> GiveEarly {
            let sink = Arc::clone(&self.sink);
            Arc::new(move |early| sink(Report::Early { tag, early }))
        };
        let (cancelled, publish, early): (&dyn Fn() -> bool, _, _) = (&is_cancelled, &mut publish, Some(&early as _));
        let context = Context { site, planned_at, cancelled, publish, early };
        // A panic fails this task only.
        let result = catch_unwind(AssertUnwindSafe(|| doer.work(&task, context)))
            .unwrap_or_else(|_| Err(WorkError::failed("the consumer panicked; see its log")));
        let result = result.map(|answer| Done { answer, parts: parts.parts() });
        Ended { tag, result, micros: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX) }
    }

    /// Ends all waiting tasks with an error: no slot has a thread.
    fn fail_waiting(&self, error: &NoThread) {
        let (waiting, _) = {
            let mut state = self.state();
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.cancelled))
        };
        for Assigned { tag, .. } in waiting {
            let result = Err(WorkError::failed(error.to_string()));
            (self.sink)(Report::Ended(Ended { tag, result, micros: 0 }));
        }
    }
}
