//! `launch`: a whole caravan in this process.

use std::sync::Arc;

use super::caravan::{Lap, Launch, LaunchError, Role};
use packhorse::cli::term::{self, Lines};
use packhorse::cli::{Exit, Failure, broker, keys, signals};
use shared::transport::BrokerUrl;

use super::LaunchArgs;

pub async fn launch(args: LaunchArgs) -> Result<Exit, Failure> {
    let broker = broker::optional(&args.broker)?.unwrap_or_else(BrokerUrl::embedded);
    let lines = Lines::begin()?;
    let keyboard = args.interactive.then(keys::listen).transpose()?;
    let (_terminal, cues) = keyboard.unzip();
    let shutdown = signals::listen()?;
    if args.interactive {
        lines.print("press a key to whip, q to end the ride");
    }
    let warn = |role: Role, text: &str| term::say(&format!("{role}\t{text}\n"));
    let told = Arc::clone(&lines);
    let tell = move |role: Role, text: &str| told.print(&format!("{role}\t{text}"));
    let caravan = args.caravan.caravan(&broker, Arc::new(tell), Arc::new(warn));
    let patience = args.broker.connect_timeout;
    let launch = Launch { riders: args.riders, horses: args.horses, broker, patience, cues };
    let mut laps = Vec::new();
    for _ in 0..args.repeat {
        let lap = caravan.launch(&launch, shutdown.clone()).await.map_err(failure)?;
        lines.print(&arrival(&lap));
        laps.push(lap);
    }
    lines.print(&spread(&laps));
    lines.end()?;
    Ok(Exit::Success)
}

fn failure(error: LaunchError) -> Failure {
    match error {
        LaunchError::Stopped => Failure::new(Exit::Interrupted, error),
        LaunchError::Owner(error) => error.into(),
        LaunchError::Broker(error) => error.into(),
        error => Failure::unfinished(error),
    }
}

/// How a caravan arrived, in one line.
pub fn arrival(lap: &Lap) -> String {
    let (whips, steps, distance) = (lap.whips, lap.steps, lap.distance());
    format!("{whips} whips, {steps} steps, distance {distance}, in {:.2} s", lap.seconds)
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
