//! The suite that every executor passes.

mod process;
mod threads;

use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use shared::protocol::id::{Class, PlanHash, TaskId};
use shared::protocol::message::{Address, Task};
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use shared::system::clock::Clock;
use shared::transport::embedded::Embedded;

use super::*;

/// What comes of every task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Has the answer `{"steps":7}`.
    Answer,
    /// Runs until it is cancelled.
    Hang,
    /// Panics, or dies.
    Break,
}

/// One kind of executor.
pub(super) trait Harness: Default {
    /// The name of the first slot's thread.
    const FIRST_THREAD: &str;

    fn executor(&self, does: Does, slots: u32, sink: Sink) -> Box<dyn Executor>;
}

/// Long enough for any machine that runs tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// An executor, and what it reports.
pub(super) struct Bench<H> {
    _harness: H,
    runtime: tokio::runtime::Runtime,
    executor: Box<dyn Executor>,
    sink: Sink,
    ended: Receiver<Ended>,
}

impl<H: Harness> Bench<H> {
    pub fn new(does: Does, slots: u32) -> Self {
        let (sender, ended) = mpsc::channel();
        let sink: Sink = Arc::new(move |report| {
            if let Report::Ended(ended) = report {
                let _ = sender.send(ended);
            }
        });
        let harness = H::default();
        let executor = harness.executor(does, slots, Arc::clone(&sink));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { _harness: harness, runtime, executor, sink, ended }
    }

    pub fn start(&mut self, tag: Tag) {
        let task = task(tag);
        let (transport, runtime) = (Arc::new(Embedded::new()), self.runtime.handle().clone());
        let parts = PartPublisher::new(transport, runtime, Clock::start(), task.address.clone());
        self.executor.start(Assigned { tag, task, parts });
        self.executor.go();
    }

    pub fn next(&self) -> Ended {
        self.ended.recv_timeout(PATIENCE).expect("a task ends")
    }

    fn failure(&self) -> (Tag, String) {
        let Ended { tag, result, .. } = self.next();
        let Err(WorkError::Failed(failure)) = result else { panic!("task {tag} has not failed: {result:?}") };
        (tag, failure.reason)
    }
}

fn task(number: u64) -> Box<Task> {
    let task = TaskId { job: "j".parse().expect("an id"), number };
    let (owner, opening) = ("o".parse().expect("an id"), "j1".parse().expect("an id"));
    let address = Address { task, opening, plan: PlanHash::start(), attempt: 1, owner, workload: Workload::Steps };
    let (class, body) = (Class::from_name(b"any"), Payload::json(r#"{"intensity":7}"#));
    Box::new(Task { address, class, planned_at: None, avoid: Vec::new(), body })
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("there is a list of threads");
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

pub(super) fn a_task_ends_once_with_its_answer<H: Harness>() {
    let mut bench = Bench::<H>::new(Does::Answer, 1);
    for tag in [3, 4] {
        bench.start(tag);
        let ended = bench.next();
        let answer = ended.result.expect("an answer").answer;
        assert_eq!((ended.tag, answer), (tag, Payload::json(r#"{"steps":7}"#)));
    }
    bench.executor.close();
    assert!(bench.ended.try_recv().is_err(), "it reports an end once");
}

pub(super) fn each_slot_does_a_task_until_it_is_cancelled<H: Harness>() {
    let mut bench = Bench::<H>::new(Does::Hang, 2);
    assert_eq!(bench.executor.slots(), 2);
    bench.start(1);
    bench.start(2);
    bench.executor.cancel(77);
    bench.executor.cancel(2);
    assert_eq!(bench.failure(), (2, "cancelled".to_owned()), "the other one still runs");
    bench.start(3);
    bench.executor.cancel(3);
    assert_eq!(bench.failure(), (3, "cancelled".to_owned()));
    bench.executor.cancel(1);
    assert_eq!(bench.failure(), (1, "cancelled".to_owned()));
    assert!(bench.ended.try_recv().is_err());
}

pub(super) fn what_breaks_costs_its_own_task_alone<H: Harness>() {
    let mut bench = Bench::<H>::new(Does::Break, 1);
    for tag in [1, 2] {
        bench.start(tag);
        let (ended, reason) = bench.failure();
        assert!(ended == tag && (reason.contains("panicked") || reason.contains("exited with code 3")), "{reason}");
    }
}

pub(super) fn a_closed_one_has_finished_its_tasks_and_ended_its_threads<H: Harness>() {
    let mut bench = Bench::<H>::new(Does::Answer, 2);
    bench.start(1);
    bench.start(2);
    bench.executor.close();
    let mut tags: Vec<Tag> = bench.ended.try_iter().map(|ended| ended.tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, [1, 2]);
    assert_eq!(Arc::strong_count(&bench.sink), 1, "a thread still has it");
}

pub(super) fn one_that_is_dropped_ends_its_threads_later<H: Harness>() {
    let mut bench = Bench::<H>::new(Does::Hang, 1);
    bench.start(1);
    bench.executor.cancel(1);
    drop(bench.executor);
    let ended = bench.ended.recv_timeout(PATIENCE).expect("the task ends");
    assert!(ended.tag == 1 && ended.result.is_err());
    while Arc::strong_count(&bench.sink) > 1 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub(super) fn threads_have_the_names_of_their_slots<H: Harness>() {
    let mut bench = Bench::<H>::new(Does::Hang, 2);
    bench.start(1);
    bench.start(2);
    if cfg!(target_os = "linux") {
        let second = H::FIRST_THREAD.replace('0', "1");
        // A new thread names itself.
        while !threads().iter().any(|name| name == H::FIRST_THREAD) || !threads().contains(&second) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    [1, 2].into_iter().for_each(|tag| bench.executor.cancel(tag));
    bench.executor.close();
}

/// Makes a test of each function of the suite.
macro_rules! conformance {
    ($harness:ty) => {
        $crate::executor::tests::conformance!($harness:
            a_task_ends_once_with_its_answer
            each_slot_does_a_task_until_it_is_cancelled
            what_breaks_costs_its_own_task_alone
            a_closed_one_has_finished_its_tasks_and_ended_its_threads
            one_that_is_dropped_ends_its_threads_later
            threads_have_the_names_of_their_slots
        );
    };
    ($harness:ty: $($test:ident)*) => {
        $(
            #[test]
            fn $test() {
                $crate::executor::tests::$test::<$harness>();
            }
        )*
    };
}
pub(super) use conformance;
