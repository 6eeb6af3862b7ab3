//! Horses and riders: the smallest use of Packhorse, to look at and to copy.
//!
//! Riders send whips 0, 1, ..., 9999 along a whip that holds 16; horses feel them and take that
//! many steps; the owner sums the steps of the whole caravan, each whip exactly once.
//!
//! ```text
//! cargo run --example horse_rider -- launch --riders 2 --horses 2
//!
//! packhorse reducer --broker URL                               (the owner, once)
//! cargo run --example horse_rider -- rider 0 --broker URL      (any number, on any machine,
//! cargo run --example horse_rider -- horse 1 --broker URL       in any order)
//! ```

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};
use packhorse::caravan::{Caravan, Lap, LaunchError, Role, Say};
use packhorse::cli::args::BrokerArgs;
use packhorse::cli::{Exit, Failure, broker, enter, signals, term};
use producer::ProducerError;
use shared::id::{JobId, OwnerId};
use shared::shutdown::Shutdown;
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
    /// Run a whole caravan in this process, without a broker
    Launch {
        /// How many riders
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        riders: u32,
        /// How many horses
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        horses: u32,
        /// How often, to see how the pace spreads
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        repeat: u32,
        #[command(flatten)]
        caravan: CaravanArgs,
    },
}

#[derive(Debug, Args)]
struct CaravanArgs {
    /// The caravan's name: the steps of its riders are summed
    #[arg(long, value_name = "NAME", default_value = "caravan")]
    caravan: JobId,
    /// Whips of each rider
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
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
    match HorseRider::parse().role {
        RoleArgs::Rider { rider, caravan, broker } => enter("warn", false, ride(rider, caravan, broker)),
        RoleArgs::Horse { horse, broker } => enter("warn", false, pull(horse, broker)),
        RoleArgs::Launch { riders, horses, repeat, caravan } => {
            enter("warn", false, launch(riders, horses, repeat, caravan))
        }
    }
}

async fn ride(rider: u32, args: CaravanArgs, broker: BrokerArgs) -> Result<Exit, Failure> {
    let Some((url, transport, shutdown)) = reach(&broker).await? else { return Ok(Exit::Interrupted) };
    let caravan = args.caravan(&url, Arc::new(|_, text| print(text)), Arc::new(|_, text| term::complain(text)));
    let result = caravan.ride(rider, Arc::clone(&transport), shutdown).await;
    transport.close().await;
    match result {
        Ok(ride) if ride.status.counts.tasks_failed > 0 => Ok(Exit::ItemsFailed),
        Ok(_) => Ok(Exit::Success),
        Err(ProducerError::Stopped(_)) => {
            Err(Failure::new(Exit::Interrupted, "stopped on the way; the same command goes on from here"))
        }
        Err(ProducerError::Refused(reason)) => {
            Err(Failure::usage(format!("{reason}; here a job is a rider of a caravan: name another --caravan")))
        }
        Err(ProducerError::Transport(error)) => Err(error.into()),
        Err(error) => Err(Failure::unfinished(error)),
    }
}

async fn pull(horse: u32, broker: BrokerArgs) -> Result<Exit, Failure> {
    let Some((url, transport, shutdown)) = reach(&broker).await? else { return Ok(Exit::Success) };
    let args = CaravanArgs { caravan: JobId::from_name(b"any"), whips: 0, owner: OwnerId::from_name(b"any") };
    let caravan = args.caravan(&url, Arc::new(|_, text| print(text)), Arc::new(|_, text| term::complain(text)));
    let result = caravan.pull(horse, Arc::clone(&transport), shutdown).await;
    transport.close().await;
    result?;
    Ok(Exit::Success)
}

/// The broker, unless asked to stop before it answers.
async fn reach(args: &BrokerArgs) -> Result<Option<(BrokerUrl, Arc<dyn Transport>, Shutdown)>, Failure> {
    let url = broker::required(args)?;
    let shutdown = signals::listen()?;
    tokio::select! {
        biased;
        () = shutdown.asked() => Ok(None),
        transport = broker::reach(&url, args) => Ok(Some((url, transport?, shutdown))),
    }
}

async fn launch(riders: u32, horses: u32, repeat: u32, args: CaravanArgs) -> Result<Exit, Failure> {
    let shutdown = signals::listen()?;
    let warn = |role: Role, text: &str| term::say(&format!("{role}\t{text}\n"));
    let tell = |role: Role, text: &str| print(&format!("{role}\t{text}"));
    let caravan = args.caravan(&BrokerUrl::embedded(), Arc::new(tell), Arc::new(warn));
    let mut laps = Vec::new();
    for _ in 0..repeat {
        match caravan.launch(riders, horses, shutdown.clone()).await {
            Ok(lap) => laps.push(lap),
            Err(error @ LaunchError::Stopped) => return Err(Failure::new(Exit::Interrupted, error)),
            Err(error) => return Err(Failure::unfinished(error)),
        }
        if let Some(lap) = laps.last() {
            let (whips, steps, distance) = (lap.whips, lap.steps, lap.distance());
            print(&format!("{whips} whips, {steps} steps, distance {distance}, in {:.2} s", lap.seconds));
        }
    }
    print(&spread(&laps));
    Ok(Exit::Success)
}

fn spread(laps: &[Lap]) -> String {
    let mut paces: Vec<f64> = laps.iter().map(Lap::pace).collect();
    paces.sort_by(f64::total_cmp);
    match paces[..] {
        [] => String::new(),
        [pace] => format!("{pace:.0} whips per second"),
        [min, .., max] => {
            let median = (paces[(paces.len() - 1) / 2] + paces[paces.len() / 2]) / 2.0;
            format!("whips per second over {} laps: min {min:.0}, median {median:.0}, max {max:.0}", paces.len())
        }
    }
}

/// Prints a line. A reader that has had enough is no reason to fail.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
