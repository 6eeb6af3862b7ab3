//! Pools of a user's worker: order, errors, panics, updates, endless arguments, the end.
//!
//! - `bytes`: any bytes, over every road
//! - `joins`: consumers that come, leave and die while a pool runs

mod bytes;
mod joins;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use packhorse::pool::{
    self, CallErrorKind, CallOptions, MessagePack, Pool, PoolConfig, PoolError, Slot, Worker, WorkerError,
};
use serde::{Deserialize, Serialize};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a call does.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Do {
    Add(i64),
    Fail(String),
    Panic,
    Sleep(u64),
    /// Fails until it was tried so often.
    FailUntil(u64, u64),
    /// The updates that the worker has handled.
    Tell,
}

/// Adds to what it began with, and remembers its updates.
struct Adder {
    base: i64,
    updates: Vec<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Answer {
    Sum(i64),
    Updates(Vec<u32>),
}

static TRIES: AtomicU64 = AtomicU64::new(0);

impl Worker for Adder {
    const NAME: &'static str = "adder";
    type Init = i64;
    type Job = Do;
    type Update = u32;
    type Output = Answer;
    type Codec = MessagePack;

    fn init(base: i64, _: Slot) -> Result<Self, WorkerError> {
        Ok(Self { base, updates: Vec::new() })
    }

    fn run(&mut self, job: Do) -> Result<Answer, WorkerError> {
        match job {
            Do::Add(number) => Ok(Answer::Sum(self.base + number)),
            Do::Fail(reason) => Err(reason.into()),
            Do::Panic => panic!("as it was told"),
            Do::Sleep(millis) => {
                std::thread::sleep(Duration::from_millis(millis));
                Ok(Answer::Sum(0))
            }
            Do::FailUntil(_, tries) if TRIES.fetch_add(1, Ordering::Relaxed) + 1 < tries => Err("not yet".into()),
            Do::FailUntil(number, _) => Ok(Answer::Sum(number as i64)),
            Do::Tell => Ok(Answer::Updates(self.updates.clone())),
        }
    }

    fn handle_update(&mut self, update: u32) -> Result<(), WorkerError> {
        self.updates.push(update);
        Ok(())
    }
}

async fn embedded(slots: u32, pack: Option<u32>) -> Pool<Adder> {
    let config = PoolConfig { pack, ..PoolConfig::embedded(slots) };
    let pool = pool::open(config, &1_000).await.expect("a pool");
    assert_eq!(pool.wait_for_workers(slots.into(), PATIENCE).await, Ok(slots.into()));
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_in_the_order_of_the_arguments() {
    for pack in [None, Some(1), Some(7)] {
        let pool = embedded(3, pack).await;
        let wanted: Vec<_> = (0..500).map(|number| Answer::Sum(1_000 + number)).collect();
        assert_eq!(pool.map((0..500).map(Do::Add)).await, Ok(wanted.clone()));
        let mut results = pool.imap((0..500).map(Do::Add)).expect("it is open");
        let mut found = Vec::new();
        while let Some(result) = results.next().await {
            found.push(result.expect("it adds"));
        }
        assert_eq!(found, wanted);
        assert_eq!((pool.workers_count(), pool.nodes_count()), (3, 1));
        let status = pool.status().await.expect("it runs");
        assert_eq!((status.counts.items_done, status.counts.items_planned), (1_000, 1_000));
        assert_eq!(pool.close().await, Ok(()));
        assert_eq!(pool.apply(&Do::Add(1)).await, Err(PoolError::Closed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_and_a_panic_are_of_their_call_alone() {
    let pool = embedded(2, Some(4)).await;
    let calls = vec![Do::Add(1), Do::Fail("no".to_owned()), Do::Panic, Do::Add(2), Do::Add(3)];
    let mut results = pool.imap(calls).expect("it is open");
    assert_eq!(results.next().await, Some(Ok(Answer::Sum(1_001))));
    let kind = |result: Option<Result<Answer, PoolError>>| match result {
        Some(Err(PoolError::Call { index, cause })) => (index, cause.kind, cause.message),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(results.next().await), (1, CallErrorKind::Failed, "no".to_owned()));
    assert_eq!(kind(results.next().await), (2, CallErrorKind::Panicked, "as it was told".to_owned()));
    assert_eq!(results.next().await, Some(Ok(Answer::Sum(1_002))));
    assert_eq!(results.next().await, Some(Ok(Answer::Sum(1_003))));
    assert_eq!(results.next().await, None);
    let counts = pool.status().await.expect("it runs").counts;
    assert_eq!((counts.items_done, counts.items_failed, counts.tasks_failed), (3, 2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_tried_again_only_if_that_was_asked_for() {
    let pool = embedded(1, Some(2)).await;
    let retrying = pool.with(CallOptions { retries: 3, version: None });
    let calls = vec![Do::Add(1), Do::FailUntil(7, 3), Do::Add(2)];
    let wanted = [1_001, 7, 1_002].map(Answer::Sum);
    assert_eq!(retrying.map(calls).await, Ok(wanted.to_vec()));
    assert!(matches!(retrying.map(vec![Do::Fail("no".to_owned())]).await, Err(PoolError::Call { index: 0, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_for_is_refused() {
    assert!(matches!(pool::open::<Adder>(PoolConfig::embedded(0), &0).await, Err(PoolError::Refused(_))));
    let pool = embedded(1, None).await;
    let ahead = pool.with(CallOptions { version: Some(1), ..CallOptions::default() });
    assert!(matches!(ahead.apply(&Do::Add(1)).await, Err(PoolError::Refused(_))));
    assert_eq!(pool.update_workers(&7).await, Ok(1));
    assert_eq!(ahead.apply(&Do::Tell).await, Ok(Answer::Updates(vec![7])));
    let too_large = "x".repeat(900 * 1024);
    assert!(matches!(pool.apply(&Do::Fail(too_large)).await, Err(PoolError::TooLarge { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_panic_end_there() {
    let pool = embedded(1, Some(2)).await;
    let mut results = pool.imap((0..5).map(|number| if number < 3 { Do::Add(number) } else { panic!("no more") }));
    let results = results.as_mut().expect("it is open");
    for number in 0..3 {
        assert_eq!(results.next().await, Some(Ok(Answer::Sum(1_000 + number))));
    }
    assert_eq!(results.next().await, Some(Err(PoolError::Arguments { index: 3 })));
    assert_eq!(results.next().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_may_be_endless() {
    let pool = embedded(2, None).await;
    static PULLED: AtomicU64 = AtomicU64::new(0);
    let endless = (0..).map(|number| {
        PULLED.fetch_add(1, Ordering::Relaxed);
        Do::Add(number)
    });
    let mut results = pool.imap(endless).expect("it is open");
    for number in 0..10_000 {
        assert_eq!(results.next().await, Some(Ok(Answer::Sum(1_000 + number))));
    }
    // It waits for whoever takes the results.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pulled = PULLED.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        if PULLED.load(Ordering::Relaxed) == pulled {
            break;
        }
        assert!(Instant::now() < deadline, "{pulled} arguments, and it goes on");
    }
    drop(results);
    assert_eq!(pool.close().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_worker_handles_each_update_once_and_in_order() {
    let pool = embedded(2, Some(1)).await;
    for update in 1..=20 {
        assert_eq!(pool.update_workers(&update).await, Ok(update.into()));
        let calls = std::iter::repeat_n(Do::Tell, 8);
        for answer in pool.map(calls).await.expect("they tell") {
            assert_eq!(answer, Answer::Updates((1..=update).collect()));
        }
    }
    assert_eq!(pool.replace_updates(&99).await, Ok(21));
    for answer in pool.map(std::iter::repeat_n(Do::Tell, 8)).await.expect("they tell") {
        let wanted: Vec<u32> = (1..=20).chain([99]).collect();
        assert_eq!(answer, Answer::Updates(wanted));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_pool_ends_its_calls_at_once() {
    let pool = embedded(1, Some(1)).await;
    assert_eq!(pool.apply(&Do::Sleep(20)).await, Ok(Answer::Sum(0)));
    let mut results = pool.imap(vec![Do::Sleep(60_000), Do::Add(1)]).expect("it is open");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let terminated = tokio::time::timeout(Duration::from_secs(5), pool.terminate()).await;
    assert!(terminated.is_ok());
    assert_eq!(results.next().await, Some(Err(PoolError::Terminated)));
    assert_eq!(results.next().await, None);
    assert_eq!(pool.apply(&Do::Add(1)).await, Err(PoolError::Terminated));
}

/// A slot that meets a slow call in a pack leaves the others, so that they need not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_slow_slot_leaves_is_done_by_others() {
    let pool = embedded(2, Some(50)).await;
    let calls = (0..100).map(|call| if call % 25 == 0 { Do::Sleep(200) } else { Do::Add(call) });
    let results = pool.map(calls).await.expect("all are done");
    assert_eq!(results.len(), 100);
    let counts = pool.status().await.expect("it runs").counts;
    assert!(counts.tasks_done > 2, "{counts:?}");
    assert_eq!((counts.items_done, counts.items_planned), (100, 100));
}

/// Neither the results before a call that takes long nor the calls after it wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_waits_for_a_call_that_takes_long() {
    for long in [0, 20, 49] {
        let pool = embedded(2, Some(50)).await;
        let calls = (0..50).map(move |call| if call == long { Do::Sleep(4_000) } else { Do::Add(call) });
        let mut results = pool.imap_unordered(calls).expect("it is open");
        let mut order = Vec::new();
        while let Some((index, result)) = results.next_with_index().await {
            result.expect("it is done");
            order.push(index);
        }
        assert_eq!((order.len(), order.last()), (50, Some(&(long as u64))), "{order:?}");
        let counts = pool.status().await.expect("it runs").counts;
        assert_eq!((counts.items_done, counts.items_planned, counts.tasks_open), (50, 50, 0), "{counts:?}");
    }
}
