//! A pool of workers that do nothing, to see how many calls a second there are, and how long one takes.
//!
//! ```text
//! cargo run --release --example pool -- --calls 1000000
//! cargo run --release --example pool -- consumer --broker amqp://...     as often as you like
//! cargo run --release --example pool -- --calls 1000000 --broker amqp://...
//! cargo run --release --example pool -- --latency 2000 --broker amqp://...
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use packhorse::cli::args::{BrokerArgs, ConsumerArgs};
use packhorse::cli::{self, Exit, Failure, Threads, broker, term};
use packhorse::pool::{self, MessagePack, Pool, PoolConfig, PoolError, Slot, Worker, WorkerError, Workers};

/// A program with very many small calls gains from an allocator that is made for many threads.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The worker: it gives back what it gets.
struct Echo;

impl Worker for Echo {
    const NAME: &'static str = "echo";
    type Init = ();
    type Job = u64;
    type Update = ();
    type Output = u64;
    type Codec = MessagePack;

    fn init((): (), _: Slot) -> Result<Self, WorkerError> {
        Ok(Self)
    }

    fn run(&mut self, number: u64) -> Result<u64, WorkerError> {
        Ok(number)
    }
}

#[derive(Debug, Parser)]
#[command(
    about = "Calls a worker that does nothing, and counts the calls a second",
    args_conflicts_with_subcommands = true
)]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    calls: Calls,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Do the calls of pools at a broker
    Consumer(Box<ConsumerArgs>),
}

#[derive(Debug, Args)]
struct Calls {
    /// How often the worker is called
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    calls: u64,
    /// Calls in each pack; as many as seems best by default
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pack: Option<u32>,
    /// Call the worker so often, each time after the result of the call before, and print how long a
    /// call takes
    #[arg(long, value_name = "N", conflicts_with_all = ["calls", "pack"])]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    latency: Option<u64>,
    /// Workers in this process, without a broker
    #[arg(short = 'j', long, value_name = "N", default_value_t = 2)]
    slots: u32,
    /// Workers to wait for, with a broker
    #[arg(long, value_name = "N", default_value_t = 1)]
    workers: u64,
    #[command(flatten)]
    broker: BrokerArgs,
}

fn main() -> ExitCode {
    let Options { role, calls } = match cli::args::parse() {
        Ok(options) => options,
        Err(code) => return code,
    };
    match role {
        Some(Role::Consumer(args)) => cli::consumer(*args, &["consumer"], Workers::new().with::<Echo>()),
        None => cli::enter("warn", false, Threads::working(None), run(calls)),
    }
}

async fn run(calls: Calls) -> Result<Exit, Failure> {
    let url = broker::optional(&calls.broker)?;
    let config = url.map_or_else(|| PoolConfig::embedded(calls.slots), PoolConfig::broker);
    let failed = |error: PoolError| Failure::unfinished(error);
    let pool: Pool<Echo> = pool::open(PoolConfig { pack: calls.pack, ..config }, &()).await.map_err(failed)?;
    pool.wait_for_workers(calls.workers, Duration::from_secs(60)).await.map_err(failed)?;
    let (wanted, figure) = match calls.latency {
        Some(wanted) => (wanted, latency(&pool, wanted).await),
        None => (calls.calls, rate(&pool, calls.calls).await),
    };
    let figure = figure.map_err(failed)?;
    let counts = pool.status().await.map_err(failed)?.counts;
    pool.close().await.map_err(failed)?;
    let counted = format!("{} calls in {} tasks counted by the owner", counts.items_done, counts.tasks_done);
    term::print(format!("{counted}\n{}\n", figure.text).as_bytes())?;
    let is_right = figure.is_right && counts.items_done == wanted;
    Ok(if is_right { Exit::Success } else { Exit::ItemsFailed })
}

struct Figure {
    text: String,
    /// Whether every result was as it should be.
    is_right: bool,
}

/// Calls the worker so often, with as much in flight as the pool likes.
async fn rate(pool: &Pool<Echo>, calls: u64) -> Result<Figure, PoolError> {
    let begun = Instant::now();
    let mut results = pool.imap_unordered(0..calls)?;
    let (mut count, mut sum) = (0, 0_u64);
    while let Some(result) = results.next().await {
        sum = sum.wrapping_add(result?);
        count += 1;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let wanted = (0..calls).fold(0, u64::wrapping_add);
    let text = format!("{:.0} calls per second", calls as f64 / seconds);
    Ok(Figure { text, is_right: (count, sum) == (calls, wanted) })
}

/// Calls the worker so often, one call after the other.
async fn latency(pool: &Pool<Echo>, calls: u64) -> Result<Figure, PoolError> {
    let mut took = Vec::new();
    let mut is_right = true;
    for number in 0..calls {
        let begun = Instant::now();
        is_right &= pool.apply(&number).await? == number;
        took.push(begun.elapsed().as_micros());
    }
    took.sort_unstable();
    let percentile = |percent: usize| took[(took.len() - 1) * percent / 100];
    let text = format!("p50 {} us, p99 {} us", percentile(50), percentile(99));
    Ok(Figure { text, is_right })
}
