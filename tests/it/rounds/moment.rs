//! When a fault comes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::SmallRng;
use shared::protocol::id::{JobId, OwnerId};
use shared::protocol::job::JobStatus;
use shared::protocol::message::{Reply, Request};
use shared::transport::ask::Asker;
use shared::transport::{Transport, connect};

use super::ROUND;
use super::crew::Crew;
use super::job::LARGE;
use super::kind::Kind;
use crate::cluster::Cluster;

/// One in so many faults comes while the roles start.
const EARLY: f64 = 0.2;

/// As long as that takes.
const START: Duration = Duration::from_millis(600);

/// How long an owner has to say how the job stands, before it is asked again.
const PATIENCE: Duration = Duration::from_millis(200);

/// Between two looks at the job.
const LOOK: Duration = Duration::from_millis(5);

/// How fast things go on this machine, as the rounds before have shown.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From the roles' start to the job's end.
    pub job: Duration,
    /// From the start of an operator's command to its end: it is a virtual machine of its own.
    pub command: Duration,
}

impl Pace {
    /// A job has shown more: one that no fault met how long it takes, one that was met how long at most.
    pub fn note(&mut self, met: bool, life: Duration) {
        self.job = if met { (self.job + life.min(self.job * 2)) / 2 } else { life };
    }
}

/// A moment of a job's life.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// This long after the roles are started.
    After(Duration),
    /// This long before they are: an operator's command takes its time.
    Before(Duration),
    /// When so many tasks are done.
    Done(u64),
    /// When so many tasks are planned.
    Planned(u64),
}

impl Moment {
    pub fn draw(kind: Kind, pace: Pace, rng: &mut SmallRng) -> Self {
        if kind == Kind::WalkKilled {
            return Self::Planned(rng.random_range(1..15));
        }
        if kind.is_an_operators_command() {
            let wanted = pace.job.mul_f64(rng.random_range(0.25..0.85));
            let early = pace.command.checked_sub(wanted).map(Self::Before);
            return early.unwrap_or_else(|| Self::After(wanted - pace.command));
        }
        if rng.random_bool(EARLY) {
            return Self::After(START.mul_f64(rng.random_range(0.0..1.0)));
        }
        Self::Done((LARGE as f64 * rng.random_range(0.0..0.9)) as u64)
    }

    /// How much later the roles are started.
    pub fn delay(self) -> Duration {
        if let Self::Before(lead) = self { lead } else { Duration::ZERO }
    }

    fn has_come(self, status: &JobStatus) -> bool {
        match self {
            Self::After(_) | Self::Before(_) => true,
            Self::Done(tasks) => status.counts.tasks_done >= tasks,
            Self::Planned(tasks) => status.counts.tasks_planned >= tasks,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(delay) => write!(f, "{}ms", delay.as_millis()),
            Self::Before(lead) => write!(f, "-{}ms", lead.as_millis()),
            Self::Done(tasks) => write!(f, "{tasks}-tasks"),
            Self::Planned(tasks) => write!(f, "{tasks}-planned"),
        }
    }
}

/// Looks at the job over a connection of its own.
pub struct Watch {
    transport: Arc<dyn Transport>,
    asker: Asker,
}

impl Watch {
    pub async fn new(cluster: &Cluster) -> Self {
        let transport = connect(cluster.broker.url(), None).await.expect("the broker is there");
        let asker = Asker::new(Arc::clone(&transport)).await.expect("the broker is there");
        Self { transport, asker }
    }

    /// Waits for the moment, or the job's end, and is gone by then.
    pub async fn until(mut self, moment: Moment, crew: &Crew<'_>) {
        match moment {
            Moment::Before(_) => {}
            Moment::After(delay) => tokio::time::sleep(delay).await,
            Moment::Done(_) | Moment::Planned(_) => {
                while !crew.is_over() && !self.status().await.is_some_and(|status| moment.has_come(&status)) {
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
        // Behind the fault: a close takes its time.
        tokio::spawn(async move { self.transport.close().await });
    }

    /// How the job stands, if its owner answers.
    pub async fn status(&mut self) -> Option<JobStatus> {
        let (owner, job) = (OwnerId::from_name(b"main"), JobId::from_name(ROUND.as_bytes()));
        let reply = self.asker.ask(&owner, &Request::Status { job }, PATIENCE).await.expect("the broker is there");
        match reply {
            Some(Reply::Status(status)) => Some(*status),
            _ => None,
        }
    }
}
