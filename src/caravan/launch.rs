//! A whole caravan in one process, over the embedded transport and a temporary store.

use std::sync::Arc;
use std::time::Instant;

use producer::ProducerError;
use producer::rider::Ride;
use reducer::service::{self, Handle, Kind, ServiceConfig, ServiceError};
use reducer::store::Place;
use shared::limits;
use shared::shutdown::{self, Shutdown};
use shared::transport::embedded::Embedded;
use shared::transport::{Transport, TransportError};
use shared::workload::steps;
use tokio::task::JoinSet;

use super::{Caravan, Role, distance, steps_of};

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
    Horse(Role, TransportError),
    /// The owner failed.
    #[error("the owner: {0}")]
    Owner(#[from] ServiceError),
    /// A role has ended for no stated reason.
    #[error("{0} has ended before the riders arrived")]
    Ended(String),
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

type Horses = JoinSet<(Role, Result<u64, TransportError>)>;
type Riders = JoinSet<(Role, Result<Ride, ProducerError>)>;

impl Caravan {
    /// Runs `riders` and `horses` with an owner of their own until every rider has arrived.
    pub async fn launch(&self, riders: u32, horses: u32, shutdown: Shutdown) -> Result<Lap, LaunchError> {
        let transport: Arc<dyn Transport> = Arc::new(Embedded::new());
        let (stop_horses, horses_stop) = shutdown::channel();
        let (stop_owner, owner_stop) = shutdown::channel();
        let owner = ServiceConfig {
            owner: self.owner.clone(),
            place: Place::Temporary,
            kind: Kind::Service { output_dir: None },
            window: None,
            heartbeat: limits::HEARTBEAT,
        };
        let handle = service::start(owner, Arc::clone(&transport), owner_stop).await?;
        let mut herd = Horses::new();
        for number in 0..horses {
            let (caravan, transport, stop) = (self.clone(), Arc::clone(&transport), horses_stop.clone());
            herd.spawn(async move { (Role::Horse(number), caravan.pull(number, transport, stop).await) });
        }
        let mut band = Riders::new();
        let started = Instant::now();
        for number in 0..riders {
            let (caravan, transport, stop) = (self.clone(), Arc::clone(&transport), shutdown.clone());
            band.spawn(async move { (Role::Rider(number), caravan.ride(number, transport, stop).await) });
        }
        let result = tokio::select! {
            biased;
            () = shutdown.asked() => Err(LaunchError::Stopped),
            ended = handle.ended() => match ended {
                Ok(()) => Err(LaunchError::Ended("the owner".to_owned())),
                Err(error) => Err(error.into()),
            },
            Some(horse) = herd.join_next() => Err(lost_horse(horse.expect("a horse does not panic"))),
            arrived = arrive(&mut band) => arrived.map(|()| started.elapsed().as_secs_f64()),
        };
        let lap = match result {
            Ok(seconds) => self.account(riders, &handle, seconds).await,
            Err(error) => Err(error),
        };
        // In the order of the flow, so that each finds the next one still there.
        band.shutdown().await;
        stop_horses.stop();
        while herd.join_next().await.is_some() {}
        stop_owner.stop();
        let _ = tokio::time::timeout(limits::STOP_TIMEOUT, handle.ended()).await;
        transport.close().await;
        lap
    }

    async fn account(&self, riders: u32, handle: &Handle, seconds: f64) -> Result<Lap, LaunchError> {
        let spec = steps::Spec { caravan: self.name.clone(), rider: 0, whips: self.whips };
        let status = handle.status(&spec.job()).await;
        let steps = status.as_ref().map_or(0, steps_of);
        let expected = expected_steps(riders, self.whips);
        if steps != expected {
            return Err(LaunchError::Inexact { expected, steps });
        }
        Ok(Lap { whips: u64::from(riders) * self.whips, steps, seconds })
    }
}

/// The steps of `riders` that each send 0, 1, ..., `whips` - 1.
pub(super) fn expected_steps(riders: u32, whips: u64) -> i64 {
    let whips = i128::from(whips);
    let steps = i128::from(riders) * whips * (whips - 1).max(0) / 2;
    i64::try_from(steps).unwrap_or(i64::MAX)
}

async fn arrive(band: &mut Riders) -> Result<(), LaunchError> {
    while let Some(rider) = band.join_next().await {
        let (role, ride) = rider.expect("a rider does not panic");
        match ride {
            Ok(_) => {}
            Err(ProducerError::Stopped(_)) => return Err(LaunchError::Stopped),
            Err(error) => return Err(LaunchError::Rider(role, error)),
        }
    }
    Ok(())
}

fn lost_horse((role, result): (Role, Result<u64, TransportError>)) -> LaunchError {
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
