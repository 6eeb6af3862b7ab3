//! Horses and riders: exact in one process and over RabbitMQ, whoever comes late or is killed.
//!
//! # Modules
//! - `example`: the example as a program
//! - `terminal`: a terminal with keys that a test presses
//! - `by_hand`: `--interactive`
//! - `launched`: `launch` over a broker, in one process and in windows

mod by_hand;
mod example;
mod launched;
pub mod terminal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::caravan::{Caravan, Launch, Say};
use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::job::JobStatus;
use shared::protocol::limits::{CONTROL_TIMEOUT, WHIP_CAPACITY};
use shared::protocol::message::{Reply, Request};
use shared::protocol::topology;
use shared::protocol::workload::{Workload, steps};
use shared::system::shutdown;
use shared::transport::ask::Asker;
use shared::transport::{BrokerUrl, Transport, connect};

pub use self::example::example;
use crate::broker::{self, Broker};
use crate::world::{Done, LIMIT, PACKHORSE, Process, World, eventually};

const WHIPS: u64 = 500;

/// What one rider's whips are worth.
const STEPS: i64 = (WHIPS * (WHIPS - 1) / 2) as i64;

#[test]
fn two_riders_and_two_horses_arrive_in_one_process() {
    let out = horse_rider(&["launch", "--repeat", "2"]).exits(0).text();
    assert_eq!(out.matches("20000 whips, 99990000 steps, distance 49995000, in ").count(), 2, "{out}");
    assert!(out.contains("whips per second over 2 laps: min "), "{out}");
    for role in ["rider 0", "rider 1", "horse 0", "horse 1"] {
        assert!(out.lines().any(|line| line.starts_with(&format!("{role}\t"))), "{role} says nothing: {out}");
    }
}

/// 43 riders with 10,000 whips each are exact as well; that takes a minute unoptimized.
#[tokio::test(flavor = "multi_thread")]
async fn forty_three_riders_are_exact() {
    let silent: Say = Arc::new(|_, _| {});
    let caravan = Caravan {
        name: "c".parse().expect("id"),
        owner: "main".parse().expect("id"),
        whips: WHIPS,
        broker: String::new(),
        tell: Arc::clone(&silent),
        warn: silent,
    };
    let (_stopper, shutdown) = shutdown::channel();
    let launch = Launch { riders: 43, horses: 3, broker: BrokerUrl::embedded(), patience: None, cues: None };
    let lap = caravan.launch(&launch, shutdown).await.expect("all arrive");
    assert_eq!((lap.whips, lap.steps, lap.distance()), (43 * WHIPS, 43 * STEPS, 43 * STEPS / 2));
}

#[test]
fn ctrl_c_stops_a_launched_caravan_cleanly_and_it_can_start_again_20_times_in_a_row() {
    let world = World::new();
    for time in 0..20 {
        let launch = ["launch", "--whips", "1000000"];
        let caravan = world.command(example(), launch).start();
        eventually("a store", || (!world.temporary().is_empty()).then_some(()));
        // At its start, and in full course.
        std::thread::sleep(Duration::from_millis(time * 7));
        caravan.signal("INT");
        let done = caravan.wait().exits(130);
        assert!(done.err.contains("stopped before the riders arrived"), "time {time}: {}", done.err);
        assert_eq!(world.temporary(), [""; 0], "time {time}: it leaves something behind");
    }
    let out = horse_rider(&["launch", "--whips", "100"]).exits(0).text();
    assert!(out.contains("200 whips, 9900 steps, distance 4950, in "), "{out}");
}

#[test]
fn a_role_without_a_broker_and_a_caravan_without_horses_are_usage() {
    for arguments in [&["rider", "0"][..], &["horse", "0"], &["launch", "--horses", "0"], &["launch", "--riders", "0"]]
    {
        horse_rider(arguments).exits(2);
    }
}

/// A broker, a reducer's state, and a view of the caravan from outside.
struct Road {
    broker: Broker,
    world: World,
    transport: Arc<dyn Transport>,
    asker: Asker,
    fullest: Arc<AtomicU32>,
}

impl Road {
    async fn new() -> Self {
        let broker = broker::shared().await;
        let transport = connect(broker.url(), Some(LIMIT)).await.expect("the broker is there");
        let asker = Asker::new(Arc::clone(&transport)).await.expect("the broker is there");
        let fullest = Arc::default();
        tokio::spawn(watch_whip(Arc::clone(&transport), Arc::clone(&fullest)));
        Self { broker, world: World::new(), transport, asker, fullest }
    }

    fn url(&self) -> String {
        self.broker.url().to_string().replace("***", "guest")
    }

    fn reducer(&self) -> Process {
        self.world.command(PACKHORSE, ["reducer", "--broker", &self.url(), "--state", "main.sqlite"]).start()
    }

    fn rider(&self, number: u32) -> Process {
        let (number, whips) = (number.to_string(), WHIPS.to_string());
        self.world.command(example(), ["rider", &number, "--whips", &whips, "--broker", &self.url()]).start()
    }

    fn horse(&self, number: u32) -> Process {
        self.world.command(example(), ["horse", &number.to_string(), "--broker", &self.url()]).start()
    }

    async fn status(&mut self, rider: u32) -> Option<JobStatus> {
        self.status_of(rider, WHIPS).await
    }

    async fn status_of(&mut self, rider: u32, whips: u64) -> Option<JobStatus> {
        let caravan = JobId::from_name(b"caravan");
        let job = steps::Spec { caravan, rider, whips, needs: 0 }.job();
        let owner = OwnerId::from_name(b"main");
        match self.asker.ask(&owner, &Request::Status { job }, CONTROL_TIMEOUT).await.expect("the broker is there") {
            Some(Reply::Status(status)) => Some(*status),
            _ => None,
        }
    }

    /// Waits until the owner has counted this many whips of the rider.
    async fn counted(&mut self, rider: u32, whips: u64) {
        let give_up = Instant::now() + LIMIT;
        while self.status(rider).await.is_none_or(|status| status.counts.tasks_done < whips) {
            assert!(Instant::now() < give_up, "rider {rider} does not get to whip {whips}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The whip never held more than 16, and what killed horses gave back: that was admitted before.
    fn was_never_too_full(&self, given_back: u32) {
        let fullest = self.fullest.load(Ordering::Relaxed);
        assert!(fullest <= WHIP_CAPACITY + given_back, "the whip held {fullest}");
    }

    /// Every rider has arrived, and each whip was counted once.
    async fn ends_exact(mut self, riders: u32) {
        for rider in 0..riders {
            let status = self.status(rider).await.expect("the job is known");
            assert_eq!(status.sum, Some(("caravan caravan".to_owned(), i64::from(riders) * STEPS)));
            let counts = status.counts;
            assert_eq!((counts.tasks_done, counts.tasks_failed, counts.conflicts), (WHIPS, 0, 0));
        }
        self.transport.close().await;
    }
}

/// Notes the most that the whip was seen to hold.
async fn watch_whip(transport: Arc<dyn Transport>, fullest: Arc<AtomicU32>) {
    let (whip, _) = topology::tasks(Workload::Steps, &steps::class());
    while let Ok(state) = transport.queue(&whip.name).await {
        fullest.fetch_max(state.map_or(0, |state| state.ready), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The example with these arguments, run to its end.
fn horse_rider(arguments: &[&str]) -> Done {
    World::new().command(example(), arguments).done()
}

/// Waits off the runtime, which goes on watching the whip.
async fn ends(process: Process) -> Done {
    tokio::task::spawn_blocking(|| process.wait()).await.expect("it ends")
}

/// What it wrote to stdout, once it has ended well.
async fn succeeds(process: Process) -> String {
    ends(process).await.exits(0).text()
}

/// A horse has no end of its own.
async fn comes_home(horse: Process) {
    horse.signal("INT");
    let out = succeeds(horse).await;
    assert!(out.lines().last().is_some_and(|line| line.starts_with("felt ")), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_start_in_any_order_and_a_late_horse_and_a_killed_one_change_nothing() {
    let mut road = Road::new().await;
    // Nobody else is there yet, not even the owner.
    let riders = [road.rider(1), road.rider(0)];
    let riders = tokio::task::spawn_blocking(move || {
        riders[0].says("no reducer \"main\" answers, waiting for one; start it with: packhorse reducer --broker ");
        riders
    });
    let riders = riders.await.expect("it says who is missing");
    let reducer = road.reducer();
    let riders = tokio::task::spawn_blocking(move || {
        riders[0].says("cargo run --example horse_rider -- horse 0 --broker ");
        riders
    });
    let riders = riders.await.expect("it says who is missing");
    let first = road.horse(0);
    road.counted(0, 50).await;
    let late = road.horse(1);
    road.counted(0, 150).await;
    road.was_never_too_full(0);
    first.kill();
    for rider in riders {
        let out = succeeds(rider).await;
        assert!(out.contains("500 of 500 whips felt, the caravan's distance is "), "{out}");
    }
    comes_home(late).await;
    road.was_never_too_full(1);
    road.ends_exact(2).await;
    reducer.signal("INT");
    succeeds(reducer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_killed_in_mid_ride_and_started_again_counts_each_whip_once() {
    let mut road = Road::new().await;
    let (reducer, horses) = (road.reducer(), [road.horse(0), road.horse(1)]);
    let riders = [road.rider(0), road.rider(1)];
    road.counted(0, 100).await;
    reducer.kill();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let _reducer = road.reducer();
    for rider in riders {
        succeeds(rider).await;
    }
    for horse in horses {
        comes_home(horse).await;
    }
    road.was_never_too_full(0);
    road.ends_exact(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rider_killed_in_mid_ride_goes_on_and_one_that_has_arrived_says_so() {
    let mut road = Road::new().await;
    let (_reducer, _horses) = (road.reducer(), [road.horse(0), road.horse(1)]);
    let rider = road.rider(0);
    road.counted(0, 100).await;
    rider.kill();
    let again = road.rider(0);
    let done = ends(again).await.exits(0);
    assert!(done.err.contains("went on at whip "), "{}", done.err);
    let arrived = road.rider(0);
    let done = ends(arrived).await.exits(0);
    let (out, err) = (done.text(), done.err);
    assert!(err.contains("has arrived before; to ride again, name another caravan: --caravan caravan-2"), "{err}");
    assert!(out.contains(&format!("500 of 500 whips felt, the caravan's distance is {}", STEPS / 2)), "{out}");
    road.was_never_too_full(0);
    road.ends_exact(1).await;
}
