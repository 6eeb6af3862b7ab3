//! A pool beside an owner that the test plays.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use shared::protocol::message::{Failure, Opened, Planned, Verdict};
use shared::protocol::workload::call::{
    CallError, CallErrorKind, MessagePack, Pack, ResultsBuilder, Slot, WorkerError,
};

use super::*;
use crate::client::source::Source;
use crate::planner::Step;

/// Takes and gives numbers.
struct Echo;

impl Worker for Echo {
    const NAME: &'static str = "echo";
    type Init = ();
    type Job = u64;
    type Update = u64;
    type Output = u64;
    type Codec = MessagePack;

    fn init((): (), _: Slot) -> Result<Self, WorkerError> {
        Ok(Self)
    }

    fn run(&mut self, number: u64) -> Result<u64, WorkerError> {
        Ok(number)
    }
}

#[derive(Default)]
struct Told {
    taken: Mutex<Vec<u64>>,
}

struct FakeHome(Arc<Told>);

#[async_trait]
impl Home for FakeHome {
    fn taken(&self, numbers: Vec<u64>) {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner).extend(numbers);
    }

    async fn update(&self, _: Payload, _: bool) -> Result<u64, String> {
        Ok(1)
    }

    async fn status(&self) -> Option<JobStatus> {
        None
    }
}

struct FakeStream(mpsc::UnboundedReceiver<News>);

impl Stream for FakeStream {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<News>> {
        self.0.poll_recv(context)
    }
}

struct Bench {
    pool: Pool<Echo>,
    planned: mpsc::UnboundedReceiver<Planned>,
    news: mpsc::UnboundedSender<News>,
    told: Arc<Told>,
    /// Ends the pool, as its owner's end does.
    stop: oneshot::Sender<PoolError>,
}

impl Bench {
    fn new(pack: u32) -> Self {
        let (sender, planned) = mpsc::unbounded_channel();
        let (news, heard) = mpsc::unbounded_channel();
        let told = Arc::<Told>::default();
        let home = Arc::new(FakeHome(Arc::clone(&told)));
        let id: JobId = "p".parse().expect("an id");
        let spec = spec::<Echo>(id.clone(), &()).expect("it can be written");
        let opened = Opened {
            job: id,
            opening: "o".parse().expect("an id"),
            owner: "guest-o".parse().expect("an id"),
            planned: 0,
            after: shared::protocol::id::PlanHash::start(),
            plan_end: None,
            ended: None,
        };
        let (begun, mut tasks, ending) = begin(&spec, Some(pack));
        let pool = begun.open(home, Box::new(FakeStream(heard)), &opened);
        let (stop, stopped) = oneshot::channel::<PoolError>();
        tokio::spawn(async move {
            let plan = async {
                while let Ok(Step::Task(task)) = tasks.next().await {
                    let _ = sender.send(*task);
                }
            };
            tokio::select! {
                () = plan => ending.note(PoolError::Closed),
                Ok(why) = stopped => ending.note(why),
            }
        });
        let bench = Self { pool, planned, news, told, stop };
        bench.tell(News::Served { consumers: 1, slots: 1 });
        bench
    }

    fn tell(&self, news: News) {
        self.news.send(news).expect("the pool listens");
    }

    /// The next task: its number, its calls, and the arguments of these.
    async fn task(&mut self) -> (u64, Vec<u64>) {
        let planned = self.planned.recv().await.expect("a task is planned");
        let pack = Pack::parse(&planned.body.expect("it has work")).expect("it is a pack");
        assert_eq!(pack.calls.len(), planned.items as usize);
        (planned.number, pack.calls.iter().map(|call| MessagePack::read(call).expect("a number")).collect())
    }

    /// Answers a task with these results, `None` for an error, and leaves so many calls.
    fn answer(&self, number: u64, results: &[Option<u64>], left: u32) {
        self.tell(News::Counted { number, verdict: Verdict::Done(answer(results, left)), micros: 10 });
    }

    /// The slot is stuck in the call after these.
    fn early(&self, number: u64, results: &[Option<u64>], left: u32) {
        self.tell(News::Early { number, answer: answer(results, left), micros: 10 });
    }

    fn fail(&self, number: u64) {
        let failure = Failure { reason: "it died".to_owned(), stderr: String::new() };
        self.tell(News::Counted { number, verdict: Verdict::Failed(failure), micros: 0 });
    }
}

fn answer(results: &[Option<u64>], left: u32) -> Payload {
    let mut builder = ResultsBuilder::default();
    for result in results {
        let failed = CallError { kind: CallErrorKind::Failed, message: "no".to_owned() };
        builder.push(|to| MessagePack::write(&result.ok_or(failed)?, to).map_err(|_| unreachable!()));
    }
    builder.finish(0, left)
}

async fn all(mut results: Results<Echo>) -> Vec<Result<u64, PoolError>> {
    let mut found = Vec::new();
    while let Some(result) = results.next().await {
        found.push(result);
    }
    found
}

#[tokio::test]
async fn what_a_slot_leaves_goes_out_again() {
    let mut bench = Bench::new(4);
    let results = bench.pool.imap([10, 11, 12, 13]).expect("it is open");
    assert_eq!(bench.task().await, (0, vec![10, 11, 12, 13]));
    bench.answer(0, &[Some(10)], 3);
    assert_eq!(bench.task().await, (1, vec![11, 12, 13]));
    bench.answer(1, &[Some(11), Some(12), Some(13)], 0);
    assert_eq!(all(results).await, [10, 11, 12, 13].map(Ok));
    assert_eq!(*bench.told.taken.lock().unwrap_or_else(PoisonError::into_inner), [0, 1]);
}

#[tokio::test]
async fn results_and_calls_do_not_wait_for_a_call_that_takes_long() {
    let mut bench = Bench::new(5);
    let mut results = bench.pool.imap_unordered([10, 11, 12, 13, 14]).expect("it is open");
    assert_eq!(bench.task().await, (0, vec![10, 11, 12, 13, 14]));
    bench.early(0, &[Some(10), Some(11)], 2);
    for index in 0..2 {
        assert_eq!(results.next_with_index().await, Some((index, Ok(10 + index))));
    }
    assert_eq!(bench.task().await, (1, vec![13, 14]));
    bench.answer(1, &[Some(13), Some(14)], 0);
    for index in 3..5 {
        assert_eq!(results.next_with_index().await, Some((index, Ok(10 + index))));
    }
    // The owner has merged both answers.
    bench.answer(0, &[Some(10), Some(11), Some(12)], 2);
    assert_eq!(results.next_with_index().await, Some((2, Ok(12))));
    assert_eq!(results.next_with_index().await, None);
    assert_eq!(*bench.told.taken.lock().unwrap_or_else(PoisonError::into_inner), [1, 0]);
}

#[tokio::test]
async fn a_call_that_takes_long_may_be_the_first_or_the_last_and_may_fail() {
    let mut bench = Bench::new(2);
    let pool = bench.pool.with(CallOptions { retries: 1, version: None });
    let results = pool.imap([1, 2, 3, 4]).expect("it is open");
    assert_eq!(bench.task().await, (0, vec![1, 2]));
    assert_eq!(bench.task().await, (1, vec![3, 4]));
    bench.early(0, &[], 1);
    assert_eq!(bench.task().await, (2, vec![2]));
    bench.early(1, &[None], 0);
    assert_eq!(bench.task().await, (3, vec![3]), "it failed, and is tried again");
    bench.fail(0);
    bench.answer(1, &[None, None], 0);
    assert_eq!(bench.task().await, (4, vec![4]));
    for (number, result) in [(2, 2), (3, 3), (4, 4)] {
        bench.answer(number, &[Some(result)], 0);
    }
    let given_up = PoolError::GivenUp { index: 0, reason: "it died".to_owned() };
    assert_eq!(all(results).await, [Err(given_up), Ok(2), Ok(3), Ok(4)]);
}

#[tokio::test]
async fn a_pack_that_nobody_can_do_is_tried_call_by_call() {
    let mut bench = Bench::new(3);
    let results = bench.pool.imap([1, 2, 3]).expect("it is open");
    assert_eq!(bench.task().await, (0, vec![1, 2, 3]));
    bench.fail(0);
    for (number, call) in [(1, 1), (2, 2), (3, 3)] {
        assert_eq!(bench.task().await, (number, vec![call]));
    }
    bench.answer(1, &[Some(1)], 0);
    bench.fail(2);
    bench.answer(3, &[Some(3)], 0);
    let given_up = PoolError::GivenUp { index: 1, reason: "it died".to_owned() };
    assert_eq!(all(results).await, [Ok(1), Err(given_up), Ok(3)]);
}

#[tokio::test]
async fn only_a_call_that_failed_is_tried_again() {
    let mut bench = Bench::new(2);
    let pool = bench.pool.with(CallOptions { retries: 1, version: None });
    let results = pool.imap([5, 6]).expect("it is open");
    assert_eq!(bench.task().await, (0, vec![5, 6]));
    bench.answer(0, &[None, Some(6)], 0);
    assert_eq!(bench.task().await, (1, vec![5]));
    bench.answer(1, &[None], 0);
    let found = all(results).await;
    assert!(matches!(found[0], Err(PoolError::Call { index: 0, .. })), "{found:?}");
    assert_eq!((found.len(), &found[1]), (2, &Ok(6)));
}

#[tokio::test]
async fn the_good_results_beside_a_call_that_is_tried_again_are_not_passed_over() {
    let mut bench = Bench::new(4);
    bench.tell(News::Served { consumers: 1, slots: 2 });
    let pool = bench.pool.with(CallOptions { retries: 1, version: None });
    let mut results = pool.imap_unordered(0..8).expect("it is open");
    assert_eq!((bench.task().await.0, bench.task().await.0), (0, 1));
    bench.answer(0, &[Some(0), None, Some(2), Some(3)], 0);
    assert_eq!(bench.task().await, (2, vec![1]));
    bench.answer(1, &[4, 5, 6, 7].map(Some), 0);
    bench.answer(2, &[Some(1)], 0);
    let mut found = Vec::new();
    while let Some((index, result)) = results.next_with_index().await {
        assert_eq!(result, Ok(index));
        found.push(index);
    }
    found.sort_unstable();
    assert_eq!(found, (0..8).collect::<Vec<_>>());
}

/// Credit: what the caller does not take bounds what is planned.
#[tokio::test]
async fn arguments_wait_for_whoever_takes_the_results() {
    let mut bench = Bench::new(1);
    let mut results = bench.pool.imap_unordered(0_u64..).expect("it is open");
    let mut answered = 0;
    // Packs of one call take 16 kB each of the caller's room of 16 MiB.
    while let Ok((number, calls)) = tokio::time::timeout(Duration::from_millis(500), bench.task()).await {
        bench.answer(number, &[Some(calls[0])], 0);
        answered += 1;
    }
    assert_eq!(answered, 1_024);
    for _ in 0..140 {
        assert!(matches!(results.next().await, Some(Ok(_))));
    }
    assert!(tokio::time::timeout(Duration::from_secs(60), bench.task()).await.is_ok());
}

#[tokio::test]
async fn when_its_owner_stops_the_pool_says_so() {
    let mut bench = Bench::new(1);
    let results = bench.pool.imap([1]).expect("it is open");
    bench.task().await;
    let Bench { pool, news, stop, .. } = bench;
    drop(news);
    let stopped = PoolError::Stopped("the test is over".to_owned());
    stop.send(stopped.clone()).expect("the pool is open");
    assert_eq!(all(results).await, [Err(stopped.clone())]);
    assert_eq!(pool.apply(&1).await, Err(stopped));
}
