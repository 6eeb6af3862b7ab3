//! Real processes and a real RabbitMQ, round after round: a job runs, one kind of fault meets it at a
//! random moment, and its answer and its account must be exact all the same.
//!
//! `PACKHORSE_ROUNDS` says how many rounds of each kind there are. Each prints its seed; with
//! `PACKHORSE_ROUNDS_SEED` that is the first one's seed, and with `PACKHORSE_ROUNDS_TRACE` what its
//! roles said is printed, too, in all detail. `tests/soak rounds` runs many and adds up.
//!
//! # Layout
//! - `job`: the files of every round, and what their manifest must be
//! - `crew`: the roles, and the supervisor that starts them again
//! - `moment`: when the fault comes
//! - `kind`: the faults
//! - `account`: what a round printed, and what it must be

mod account;
mod crew;
mod job;
mod kind;
mod moment;

use std::cell::Cell;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::SmallRng;

use self::account::{Account, Course};
use self::crew::Crew;
use self::job::Job;
use self::kind::Kind;
use self::moment::{Moment, Pace, Watch};
use crate::broker::{self, Broker};
use crate::cluster::Cluster;

/// Rounds of each kind in the ordinary tests: one is a moment, two are seldom the same one.
const ROUNDS: u64 = 2;

/// The same of the cluster's kinds, each of which takes a minute.
const NODE_ROUNDS: u64 = 1;

/// Draws of a moment in one round, until one is within the job's life.
const DRAWS: u32 = 60;

/// The job's id in every round.
const ROUND: &str = "round";

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Runs all rounds of one kind.
async fn rounds(kind: Kind) {
    let broker = if kind.hurts_the_node() { broker::own().await } else { broker::shared().await };
    rounds_on(broker, kind, ROUNDS).await;
}

/// The same on this broker, which is as it was afterwards.
async fn rounds_on(mut broker: Broker, kind: Kind, rounds: u64) -> Broker {
    let job = tokio::task::spawn_blocking(move || Job::of(kind)).await.expect("files can be made");
    let rounds = number("PACKHORSE_ROUNDS").unwrap_or(rounds);
    let first = number("PACKHORSE_ROUNDS_SEED").unwrap_or_else(|| shared::system::random::seed() >> 16);
    let mut pace = Pace { job: Duration::from_secs(3), command: Duration::from_secs(1) };
    for seed in (first..).take(usize::try_from(rounds).expect("not that many")) {
        let test = kind.test();
        // Repeats the round, whatever becomes of it.
        eprintln!("PACKHORSE_ROUNDS=1 PACKHORSE_ROUNDS_SEED={seed} cargo test --test it -- --exact rounds::{test}");
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut account = None;
        for draw in 0.. {
            assert!(draw < DRAWS, "no fault met the job in {DRAWS} draws; {pace:?}");
            let renewing = Instant::now();
            broker = broker.renewed().await;
            pace.command = renewing.elapsed();
            (account, broker) = round(kind, broker, &job, &mut rng, &mut pace).await;
            if account.is_some() {
                break;
            }
        }
        let account = account.expect("the last draw met the job");
        println!("round kind={} seed={seed} {account}", kind.name());
        account.demand_exact();
    }
    broker
}

/// One job and one fault; no account if the job was over before the fault, or had not begun.
async fn round(
    kind: Kind,
    broker: Broker,
    job: &Job,
    rng: &mut SmallRng,
    pace: &mut Pace,
) -> (Option<Account>, Broker) {
    let cluster = Cluster::around(broker);
    let moment = Moment::draw(kind, *pace, rng);
    let watch = Watch::new(&cluster).await;
    let crew = Crew::new(kind, &cluster, job, moment.delay());
    let started = Instant::now() + moment.delay();
    let healed = Cell::new(None);
    let fault = async {
        watch.until(moment, &crew).await;
        let met = !crew.is_over() && kind.strike(&crew, rng).await;
        healed.set(Some(started.elapsed()));
        met
    };
    let job_ends = async {
        loop {
            let (done, life) = (crew.supervise().await, started.elapsed());
            if !kind.outlasts_a_job() || healed.get().is_some() {
                return (done, life);
            }
            let course = Course { moment, healed: life, life, late: 0 };
            Account::of(&crew, job, done, course).demand_exact();
            crew.begin_next();
        }
    };
    let (met, (done, life)) = tokio::join!(fault, job_ends);
    let healed = healed.get().unwrap_or_default();
    pace.note(met, life);
    let late = kind.aftermath(&crew).await;
    let account = met.then(|| Account::of(&crew, job, done, Course { moment, healed, life, late }));
    crew.dismiss();
    drop(crew);
    (account, cluster.broker)
}

#[tokio::test]
async fn consumer_killed() {
    rounds(Kind::ConsumerKilled).await;
}

#[tokio::test]
async fn reducer_killed() {
    rounds(Kind::ReducerKilled).await;
}

#[tokio::test]
async fn producer_killed() {
    rounds(Kind::ProducerKilled).await;
}

#[tokio::test]
async fn producer_killed_in_mid_walk() {
    rounds(Kind::WalkKilled).await;
}

#[tokio::test]
async fn all_roles_killed() {
    rounds(Kind::AllKilled).await;
}

#[tokio::test]
async fn consumer_stopped() {
    rounds(Kind::ConsumerStopped).await;
}

#[tokio::test]
async fn broker_killed() {
    rounds(Kind::BrokerKilled).await;
}

#[tokio::test]
async fn broker_wiped() {
    rounds(Kind::BrokerWiped).await;
}

#[tokio::test]
async fn connections_closed() {
    rounds(Kind::ConnectionsClosed).await;
}

#[tokio::test]
async fn memory_alarm() {
    rounds(Kind::MemoryAlarm).await;
}

#[tokio::test]
async fn tasks_queue_deleted() {
    rounds(Kind::TasksQueueDeleted).await;
}

#[tokio::test]
async fn owners_queue_deleted() {
    rounds(Kind::OwnersQueueDeleted).await;
}

#[tokio::test]
async fn queues_full() {
    rounds(Kind::QueuesFull).await;
}

/// One cluster for all three, as it takes long to start.
#[tokio::test]
async fn nodes_of_a_cluster() {
    let mut broker = broker::nodes().await;
    for kind in [Kind::NodeKilled, Kind::NodeCutOff, Kind::NodesRestarted] {
        broker = rounds_on(broker, kind, NODE_ROUNDS).await;
    }
}
