//! A caravan: riders whip, horses step, and the owner knows how far they are together.
//!
//! Its roles run in any process and in any number; [`Caravan::launch`] puts all of them into one,
//! [`windows`] each into a window.

mod launch;
pub mod windows;

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use consumer::work::Site;
use consumer::{ConsumerConfig, ConsumerError};
use producer::client::source::{Cues, Derived};
use producer::{Client, ClientConfig, ProducerError, Remote};
use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::job::{JobSpec, JobState, JobStatus};
use shared::protocol::limits;
use shared::protocol::message::JobRequest;
use shared::protocol::workload::{Workload, steps};
use shared::system::shutdown::Shutdown;
use shared::transport::Transport;

pub use launch::{Lap, Launch, LaunchError, expected_steps};

/// Between two words of one role.
const WORD_INTERVAL: Duration = Duration::from_secs(1);

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whips.
    Rider(u32),
    /// Steps.
    Horse(u32),
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rider(number) => write!(f, "rider {number}"),
            Self::Horse(number) => write!(f, "horse {number}"),
        }
    }
}

/// Interval of status requests of a rider that is controlled by hand, since the user watches.
const CUED_LOOKS: Duration = Duration::from_millis(50);

/// How a rider has ridden.
#[derive(Debug, Clone)]
pub struct Ride {
    /// Number of the first whip that this process sent: 0, unless it continued an earlier ride.
    pub first: u64,
    /// Whips sent by this process.
    pub sent: u64,
    /// Whether every whip had its answer before, so that this process sent none.
    pub was_over: bool,
    /// The job's status at its end.
    pub status: JobStatus,
}

/// Takes what a role says.
pub type Say = Arc<dyn Fn(Role, &str) + Send + Sync>;

/// What the roles of one caravan have in common.
#[derive(Clone)]
pub struct Caravan {
    /// Its name: the owner sums the steps of all its riders.
    pub name: JobId,
    /// Who owns the riders' jobs.
    pub owner: OwnerId,
    /// Whips of each rider.
    pub whips: u64,
    /// The broker, as notices show it.
    pub broker: String,
    /// Takes results: whips felt, the distance.
    pub tell: Say,
    /// Takes notices: who is missing, and how to start it.
    pub warn: Say,
}

impl Caravan {
    /// A rider: sends its whips, one for each cue if it has cues, and stays until each was felt. It
    /// tells the distance now and then, or whenever a whip was felt that somebody gave the cue for.
    pub async fn ride(
        &self,
        rider: u32,
        cues: Option<Cues>,
        transport: Arc<dyn Transport>,
        shutdown: Shutdown,
    ) -> Result<Ride, ProducerError> {
        let role = Role::Rider(rider);
        let (tell, warn) = (Arc::clone(&self.tell), Arc::clone(&self.warn));
        let is_cued = cues.is_some();
        let told = Mutex::new((Instant::now(), 0));
        let spec = steps::Spec { caravan: self.name.clone(), rider, whips: self.whips, needs: 0 };
        let (job, spec) = (spec.job(), JobSpec::Steps(spec));
        let config = ClientConfig {
            request: JobRequest::new(job.clone(), spec.clone()),
            owner: self.owner.clone(),
            wait: true,
            recheck: false,
            look: if is_cued { CUED_LOOKS } else { limits::STATUS_INTERVAL },
            broker: self.broker.clone(),
            notify: Arc::new(move |text| warn(role, &text)),
            progress: Arc::new(move |status| {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                let felt = status.counts.tasks_done;
                if if is_cued { felt > told.1 } else { told.0.elapsed() >= WORD_INTERVAL } {
                    *told = (Instant::now(), felt);
                    tell(role, &standing(status));
                }
            }),
        };
        let link = Remote::straight(transport, self.owner.clone(), &spec);
        let link = shutdown.unless_asked(link).await.ok_or_else(|| ProducerError::Stopped(job.clone()))??;
        let mut client = Client::new(config, link, Derived::new(spec, cues), shutdown);
        let ride = ride(&mut client).await?;
        if ride.was_over {
            let text = format!("has arrived before; to ride again, name another caravan: --caravan {}-2", self.name);
            (self.warn)(role, &text);
        } else if ride.first > 0 {
            (self.warn)(role, &format!("went on at whip {}, the first that no answer was known of", ride.first));
        }
        (self.tell)(role, &standing(&ride.status));
        Ok(ride)
    }

    /// A horse: feels whips until `shutdown`, telling how many now and then.
    pub async fn pull(
        &self,
        horse: u32,
        transport: Arc<dyn Transport>,
        shutdown: Shutdown,
    ) -> Result<u64, ConsumerError> {
        let role = Role::Horse(horse);
        let config = ConsumerConfig::new(Site::new(), vec![(Workload::Steps, steps::class())]);
        let felt = Arc::clone(&config.done);
        let tell = |count: u64| (self.tell)(role, &format!("felt {count} whips"));
        let mut running = std::pin::pin!(consumer::run(config, transport, shutdown));
        let mut told = 0;
        let result = loop {
            tokio::select! {
                biased;
                result = &mut running => break result,
                () = tokio::time::sleep(WORD_INTERVAL) => {
                    let count = felt.load(Ordering::Relaxed);
                    if count > told {
                        told = count;
                        tell(count);
                    }
                }
            }
        };
        let count = felt.load(Ordering::Relaxed);
        tell(count);
        result.map(|()| count)
    }
}

/// Rides to the end of the job. A job that was begun before continues at the first whip without an
/// answer.
async fn ride(client: &mut Client<Remote, Derived>) -> Result<Ride, ProducerError> {
    let opened = client.open().await?;
    let first = opened.planned;
    let status = client.finish().await?.ok_or_else(|| ProducerError::Stopped(opened.job.clone()))?;
    if status.state == JobState::Cancelled {
        return Err(ProducerError::Cancelled(opened.job));
    }
    let was_over = opened.plan_end.is_some_and(|whips| first >= whips);
    let sent = if opened.plan_end.is_some() { 0 } else { status.counts.tasks_planned.saturating_sub(first) };
    Ok(Ride { first, sent, was_over, status })
}

fn standing(status: &JobStatus) -> String {
    let counts = &status.counts;
    let failed = if counts.tasks_failed == 0 { String::new() } else { format!(", {} failed", counts.tasks_failed) };
    let whips = format!("{} of {} whips felt{failed}", counts.tasks_done, counts.tasks_planned);
    format!("{whips}, the caravan's distance is {}", distance(steps_of(status)))
}

/// The caravan's steps so far.
pub fn steps_of(status: &JobStatus) -> i64 {
    status.sum.as_ref().map_or(0, |(_, steps)| *steps)
}

/// A pace has two steps.
pub const fn distance(steps: i64) -> i64 {
    steps / 2
}
