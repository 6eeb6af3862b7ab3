//! What the tasks around a ledger share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use shared::protocol::id::{Class, JobId, OwnerId};
use shared::protocol::workload::Workload;
use shared::system::clock::Clock;
use shared::transport::Transport;
use tokio::sync::{mpsc, watch};

use super::Kind;
use super::claim::Claim;
use super::deliveries::Deliveries;
use super::name::Name;
use super::progress::{Progress, Replies};
use super::replying::Replying;
use super::under_way::UnderWay;
use crate::owner::Event;

/// What the tasks around a ledger share.
pub(super) struct Wiring {
    pub transport: Arc<dyn Transport>,
    pub clock: Clock,
    pub owner: OwnerId,
    pub store: PathBuf,
    pub kind: Kind,
    pub inbox: mpsc::Sender<Event>,
    pub progress: watch::Sender<Progress>,
    pub deliveries: Deliveries,
    pub replies: Replies,
    /// Replies on their way to the broker.
    pub replying: Replying,
    /// Whether what is sent to this owner finds its queues.
    pub listening: watch::Sender<bool>,
    /// Queues of tasks that the broker is asked about.
    pub looking: UnderWay<(Workload, Class)>,
    /// Jobs whose queues are being declared.
    pub opening: UnderWay<JobId>,
    /// Held while a report is written: of two jobs with one report's name, the later one has the last word.
    pub reporting: Mutex<()>,
    /// The output directory, if there is one: nobody else's as long as this is there.
    pub _claim: Option<Claim>,
    /// Which of the processes that may have this owner's name it is.
    pub name: Name,
}
