//! Why a submission ended without success.

use shared::protocol::id::{JobId, OwnerId};
use shared::system::threads::NoThread;
use shared::transport::{Oversize, TransportError};

use crate::plan::PlanError;
use crate::planner::BrokenOff;

#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    BrokenOff(#[from] BrokenOff),
    #[error(transparent)]
    Thread(#[from] NoThread),
    /// The owner refused the job, with this reason.
    #[error("{0}")]
    Refused(String),
    #[error("task {job}.{number} cannot be sent: {oversize}. The same command with --job {job} continues from there")]
    TooLarge { job: JobId, number: u64, oversize: Oversize },
    /// The job has the plan of another producer.
    #[error(
        "job {0} has the plan of another producer, which found different files; its report covers those files. Run \
         this command again when the job has ended, or use another --job"
    )]
    Overtaken(JobId),
    /// The owner has lost or replaced its store, and this plan cannot be made again from the start.
    #[error("reducer {owner} does not know job {job} any more; run the same command again")]
    Forgotten { owner: OwnerId, job: JobId },
    #[error("job {0} was cancelled")]
    Cancelled(JobId),
    #[error("stopped before the job was done; the same command with --job {0} continues it")]
    Stopped(JobId),
}
