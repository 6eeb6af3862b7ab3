//! A whole caravan in one process, with an owner and a temporary store of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use consumer::ConsumerError;
use producer::ProducerError;
use producer::client::source::Cues;
use reducer::service::{self, Handle, Kind, Opening, ServiceConfig, ServiceError};
use reducer::store::Place;
use shared::protocol::limits;
use shared::protocol::workload::steps;
use shared::system::shutdown::{self, Shutdown};
use shared::transport::{BrokerUrl, Transport, TransportError, connect};
use tokio::task::JoinSet;

use super::{Caravan, Ride, Role, distance, steps_of};

/// Who sets out, and where they meet.
pub struct Launch {
    /// How many riders.
    pub riders: u32,
    /// How many horses.
    pub horses: u32,
    /// Over a broker each role has a connection of its own, as if it were elsewhere.
    pub broker: BrokerUrl,
    /// Give up when the broker cannot be reached for this long.
    pub patience: Option<Duration>,
    /// Every rider sends a whip for each cue.
    pub cues: Option<Cues>,
}

/// A caravan's way from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lap {
    /// Whips felt.
    pub whips: u64,
    /// Steps taken.
    pub steps: i64,
    /// From the first rider's start to the last one's arrival.
    pub seconds: f64,
}

impl Lap {
    /// How far the caravan came.
    pub const fn distance(&self) -> i64 {
        distance(self.steps)
    }

    /// Whips per second.
    pub fn pace(&self) -> f64 {
        self.whips as f64 / self.seconds.max(f64::EPSILON)
    }
}

/// A caravan did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A rider failed.
    #[error("{0}: {1}")]
    Rider(Role, ProducerError),
    /// A horse failed.
    #[error("{0}: {1}")]
    Horse(Role, ConsumerError),
    /// The owner failed.
    #[error("the owner: {0}")]
    Owner(#[from] ServiceError),
    /// A role has ended for no stated reason.
    #[error("{0} has ended before the riders arrived")]
    Ended(String),
    /// The broker cannot be reached.
    #[error(transparent)]
    Broker(#[from] TransportError),
    /// Steps are missing, or too many.
    #[error("the caravan took {steps} steps instead of {expected}")]
    Inexact {
        /// By arithmetic.
        expected: i64,
        /// By the owner's account.
        steps: i64,
    },
    /// Asked to stop before the end.
    #[error("stopped before the riders arrived")]
    Stopped,
}

type Horses = JoinSet<(Role, Result<u64, ConsumerError>)>;
type Riders = JoinSet<(Role, Result<Ride, ProducerError>)>;

impl Caravan {
    /// Runs riders and horses with an owner of their own until every rider has arrived.
    pub async fn launch(&self, launch: &Launch, shutdown: Shutdown) -> Result<Lap, LaunchError> {
        // From here on no key is lost, however long it takes to set out.
        let cues = (0..launch.riders).map(|_| launch.cues.as_ref().map(Cues::resubscribe)).collect();
        let reached = shutdown.unless_asked(reach(launch)).await;
        let transports = reached.ok_or(LaunchError::Stopped)??;
        let lap = self.set_out(launch, cues, &transports, shutdown).await;
        for transport in transports {
            transport.close().await;
        }
        lap
    }

    async fn set_out(
        &self,
        launch: &Launch,
        cues: Vec<Option<Cues>>,
        transports: &[Arc<dyn Transport>],
        shutdown: Shutdown,
    ) -> Result<Lap, LaunchError> {
        let mut transports = transports.iter().cycle().map(Arc::clone);
        let mut transport = || transports.next().expect("it never ends");
        let (stop_horses, horses_stop) = shutdown::channel();
        let (stop_owner, owner_stop) = shutdown::channel();
        let owner = ServiceConfig {
            store: Opening::begin(Place::Temporary, self.owner.clone()),
            kind: Kind::Service { output_dir: None },
            window: None,
            heartbeat: limits::HEARTBEAT,
            keep: None,
        };
        let started = shutdown.unless_asked(service::start(owner, transport(), owner_stop)).await;
        let handle = started.ok_or(LaunchError::Stopped)??;
        let mut herd = Horses::new();
        for number in 0..launch.horses {
            let (caravan, transport, stop) = (self.clone(), transport(), horses_stop.clone());
            herd.spawn(async move { (Role::Horse(number), caravan.pull(number, transport, stop).await) });
        }
        let mut band = Riders::new();
        let started = Instant::now();
        for (number, cues) in (0..).zip(cues) {
            let (caravan, transport, stop) = (self.clone(), transport(), shutdown.clone());
            band.spawn(async move { (Role::Rider(number), caravan.ride(number, cues, transport, stop).await) });
        }
        let result = tokio::select! {
            biased;
            () = shutdown.asked() => Err(LaunchError::Stopped),
            ended = handle.ended() => match ended {
                Ok(()) => Err(LaunchError::Ended("the owner".to_owned())),
                Err(error) => Err(error.into()),
            },
            Some(horse) = herd.join_next() => Err(lost_horse(horse.expect("a horse does not panic"))),
            arrived = arrive(&mut band) => arrived.map(|whips| (whips, started.elapsed().as_secs_f64())),
        };
        let lap = match result {
            Ok((whips, seconds)) => self.account(&whips, &handle, seconds).await,
            Err(error) => Err(error),
        };
        // In the order of the flow, so that each finds the next one still there.
        band.shutdown().await;
        stop_horses.stop();
        while herd.join_next().await.is_some() {}
        stop_owner.stop();
        let _ = tokio::time::timeout(limits::STOP_TIMEOUT, handle.ended()).await;
        lap
    }

    async fn account(&self, whips: &[u64], handle: &Handle, seconds: f64) -> Result<Lap, LaunchError> {
        let spec = steps::Spec { caravan: self.name.clone(), rider: 0, whips: self.whips, needs: 0 };
        let status = handle.status(&spec.job()).await;
        let steps = status.as_ref().map_or(0, steps_of);
        let expected = whips.iter().map(|whips| expected_steps(1, *whips)).fold(0, i64::saturating_add);
        if steps != expected {
            return Err(LaunchError::Inexact { expected, steps });
        }
        Ok(Lap { whips: whips.iter().sum(), steps, seconds })
    }
}

/// Connections for the owner and each role: one for all in this process, one for each over a broker.
async fn reach(launch: &Launch) -> Result<Vec<Arc<dyn Transport>>, TransportError> {
    let mut transports = vec![connect(&launch.broker, launch.patience).await?];
    if !transports[0].is_ephemeral() {
        for _ in 0..u64::from(launch.riders) + u64::from(launch.horses) {
            transports.push(connect(&launch.broker, launch.patience).await?);
        }
    }
    Ok(transports)
}

/// The steps of `riders` that each send 0, 1, ..., `whips` - 1.
pub fn expected_steps(riders: u32, whips: u64) -> i64 {
    let whips = i128::from(whips);
    let steps = i128::from(riders) * whips * (whips - 1).max(0) / 2;
    i64::try_from(steps).unwrap_or(i64::MAX)
}

/// Waits for all of them: how many whips each sent.
async fn arrive(band: &mut Riders) -> Result<Vec<u64>, LaunchError> {
    let mut whips = Vec::new();
    while let Some(rider) = band.join_next().await {
        let (role, ride) = rider.expect("a rider does not panic");
        match ride {
            Ok(ride) => whips.push(ride.first + ride.sent),
            Err(ProducerError::Stopped(_)) => return Err(LaunchError::Stopped),
            Err(error) => return Err(LaunchError::Rider(role, error)),
        }
    }
    Ok(whips)
}

fn lost_horse((role, result): (Role, Result<u64, ConsumerError>)) -> LaunchError {
    match result {
        Ok(_) => LaunchError::Ended(role.to_string()),
        Err(error) => LaunchError::Horse(role, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_figures_come_out_and_64_bits_hold_the_largest() {
        assert_eq!(expected_steps(2, 10_000), 99_990_000);
        assert_eq!(distance(expected_steps(2, 10_000)), 49_995_000);
        assert_eq!(expected_steps(43, 10_000), 2_149_785_000);
        assert_eq!(expected_steps(3, 0), 0);
    }
}
