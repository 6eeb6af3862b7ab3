//! Horses and riders: the smallest use of Packhorse, to look at and to copy.
//!
//! Riders send whips 0, 1, ..., 9999 along a whip that holds 16; horses feel them and take that
//! many steps; the owner sums the steps of the whole caravan, each whip exactly once.
//!
//! ```text
//! cargo run --example horse_rider -- launch                    (all of it in one process)
//! cargo run --example horse_rider -- launch --interactive      (press a key: each rider whips)
//! cargo run --example horse_rider -- launch --broker URL       (through a broker, reducer and all)
//! cargo run --example horse_rider -- launch --windows --broker URL        (each role in a window)
//!
//! packhorse reducer --broker URL                               (the owner, once)
//! cargo run --example horse_rider -- rider 0 --broker URL      (any number, on any machine,
//! cargo run --example horse_rider -- horse 1 --broker URL       in any order)
//! ```

mod caravan;
mod launch;
mod windows;

use std::process::ExitCode;
use std::sync::Arc;

use self::caravan::{Caravan, Say};
use clap::{Args, Parser, Subcommand};
use packhorse::cli::args::{BrokerArgs, ReducerArgs};
use packhorse::cli::term::{self, Lines};
use packhorse::cli::{self, Exit, Failure, Threads, broker, enter, keys, signals};
use producer::ProducerError;
use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::limits;
use shared::system::shutdown::Shutdown;
use shared::transport::{BrokerUrl, Transport};

/// Riders whip, horses step, and every step is counted once.
#[derive(Debug, Parser)]
#[command(name = "horse_rider", arg_required_else_help = true)]
struct HorseRider {
    #[command(subcommand)]
    role: RoleArgs,
}

#[derive(Debug, Subcommand)]
enum RoleArgs {
    /// Send whips over a broker, and stay until all of them are felt
    Rider {
        /// Which rider of the caravan: each number rides once
        rider: u32,
        /// Send whips by hand: each key press is one whip; q or Ctrl-D ends the ride
        #[arg(short, long)]
        interactive: bool,
        #[command(flatten)]
        caravan: CaravanArgs,
        #[command(flatten)]
        broker: BrokerArgs,
    },
    /// Feel the whips of any caravan over a broker, until stopped
    Horse {
        /// A number to tell horses apart
        horse: u32,
        #[command(flatten)]
        broker: BrokerArgs,
    },
    /// Count the steps: the same as `packhorse reducer`
    Reducer(ReducerArgs),
    /// Run a whole caravan: in this process, or through a broker with a reducer of its own
    Launch(LaunchArgs),
}

#[derive(Debug, Args)]
struct LaunchArgs {
    /// How many riders
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    riders: u32,
    /// How many horses
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    horses: u32,
    /// How often, to see how the pace spreads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(conflicts_with_all = ["interactive", "windows"])]
    repeat: u32,
    /// Send whips by hand: each key press is one whip of every rider, or of the rider in view
    #[arg(short, long)]
    interactive: bool,
    /// Run each role as a process of its own, in a window of a tmux session; needs a broker
    #[arg(long)]
    windows: bool,
    #[command(flatten)]
    caravan: CaravanArgs,
    #[command(flatten)]
    broker: BrokerArgs,
}

#[derive(Debug, Args)]
struct CaravanArgs {
    /// The caravan's name: the steps of its riders are summed
    #[arg(long, value_name = "NAME", default_value = "caravan")]
    caravan: JobId,
    /// Whips of each rider
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=limits::DERIVED_TASKS_MAX))]
    whips: u64,
    /// The reducer that counts
    #[arg(long, value_name = "NAME", default_value = "main")]
    owner: OwnerId,
}

impl CaravanArgs {
    fn caravan(&self, url: &BrokerUrl, tell: Say, warn: Say) -> Caravan {
        let (name, owner) = (self.caravan.clone(), self.owner.clone());
        Caravan { name, owner, whips: self.whips, broker: url.to_string(), tell, warn }
    }
}

fn main() -> ExitCode {
    cli::args::parse().map_or_else(|code| code, run)
}

fn run(args: HorseRider) -> ExitCode {
    match args.role {
        RoleArgs::Rider { rider, interactive, caravan, broker } => {
            enter("warn", false, Threads::ASKING, ride(rider, interactive, caravan, broker))
        }
        RoleArgs::Horse { horse, broker } => enter("warn", false, Threads::working(Some(1)), pull(horse, broker)),
        RoleArgs::Reducer(args) => cli::reducer(args),
        RoleArgs::Launch(args) if args.windows => enter("warn", false, Threads::OWNING, windows::launch(args)),
        RoleArgs::Launch(args) => enter("warn", false, Threads::working(Some(args.horses)), launch::launch(args)),
    }
}

async fn ride(rider: u32, interactive: bool, args: CaravanArgs, broker: BrokerArgs) -> Result<Exit, Failure> {
    // Before the broker: a pipe will not turn into a terminal, nor a closed output into an open one.
    let lines = Lines::begin()?;
    let keyboard = interactive.then(keys::listen).transpose()?;
    let (_terminal, cues) = keyboard.unzip();
    let Some((url, transport, shutdown)) = reach(&broker).await? else { return Ok(Exit::Interrupted) };
    if interactive {
        lines.print("press a key to whip, q to end the ride");
    }
    let caravan = args.caravan(&url, tell(&lines), Arc::new(|_, text| term::complain(text)));
    let result = caravan.ride(rider, cues, Arc::clone(&transport), shutdown).await;
    transport.close().await;
    let printed = lines.end();
    match result {
        Ok(ride) => printed.map(|()| match ride.status.counts.tasks_failed {
            0 => Exit::Success,
            _ => Exit::ItemsFailed,
        }),
        Err(ProducerError::Stopped(_)) => {
            Err(Failure::new(Exit::Interrupted, "stopped on the way; the same command goes on from here"))
        }
        Err(reason @ (ProducerError::Refused(_) | ProducerError::Forgotten { .. })) => {
            Err(Failure::usage(format!("{reason}; here a job is a rider of a caravan: name another --caravan")))
        }
        Err(ProducerError::Transport(error)) => Err(error.into()),
        Err(error) => Err(Failure::unfinished(error)),
    }
}

async fn pull(horse: u32, broker: BrokerArgs) -> Result<Exit, Failure> {
    let lines = Lines::begin()?;
    let Some((url, transport, shutdown)) = reach(&broker).await? else { return Ok(Exit::Success) };
    let args = CaravanArgs { caravan: JobId::from_name(b"any"), whips: 0, owner: OwnerId::from_name(b"any") };
    let caravan = args.caravan(&url, tell(&lines), Arc::new(|_, text| term::complain(text)));
    let result = caravan.pull(horse, Arc::clone(&transport), shutdown).await;
    transport.close().await;
    result?;
    lines.end()?;
    Ok(Exit::Success)
}

/// The broker, unless asked to stop before it answers.
async fn reach(args: &BrokerArgs) -> Result<Option<(BrokerUrl, Arc<dyn Transport>, Shutdown)>, Failure> {
    let url = broker::required(args)?;
    let shutdown = signals::listen()?;
    let reached = shutdown.unless_asked(broker::reach(&url, args)).await.transpose()?;
    Ok(reached.map(|transport| (url, transport, shutdown)))
}

/// Takes what one role says, and prints it.
fn tell(lines: &Arc<Lines>) -> Say {
    let lines = Arc::clone(lines);
    Arc::new(move |_, text| lines.print(text))
}
