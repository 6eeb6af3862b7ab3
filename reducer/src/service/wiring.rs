//! State that the async tasks around a ledger share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use shared::protocol::id::{Class, JobId, OwnerId};
use shared::protocol::workload::Workload;
use shared::system::clock::Clock;
use shared::transport::Transport;
use tokio::sync::{mpsc, watch};

use super::claim::Claim;
use super::deliveries::Deliveries;
use super::name::Name;
use super::progress::{Followers, Replies};
use super::replying::Replying;
use super::under_way::UnderWay;
use super::{Kind, ServiceError};
use crate::ledger::Arrived;

/// State that the async tasks around a ledger share.
pub(super) struct Wiring {
    pub transport: Arc<dyn Transport>,
    pub clock: Clock,
    pub owner: OwnerId,
    pub store: PathBuf,
    pub kind: Kind,
    pub inbox: mpsc::Sender<Arrived>,
    pub followers: Arc<Followers>,
    /// Set once the owner has stopped: `Ok` if it was asked to, or the error.
    pub ended: watch::Sender<Option<Result<(), ServiceError>>>,
    pub deliveries: Deliveries,
    pub replies: Replies,
    pub replying: Replying,
    /// Whether the owner's queues exist, so that messages to it arrive.
    pub listening: watch::Sender<bool>,
    /// Task queues whose state the broker is being asked for.
    pub looking: UnderWay<(Workload, Class)>,
    /// Task queues that are being declared again.
    pub declaring: UnderWay<(Workload, Class)>,
    /// By job and by who asks for it: several may open one job at a time, and each waits for a
    /// reply.
    pub opening: UnderWay<(JobId, Option<String>)>,
    /// Held while a report is written, so that of two jobs with one report name the later one
    /// writes last.
    pub reporting: Mutex<()>,
    /// The lock on the output directory, if there is one. No other owner has it while this value
    /// exists.
    pub _claim: Option<Claim>,
    /// This process's identity among all processes that use the owner's name.
    pub name: Name,
}
