//! Tasks of a derived plan: their producer sends them straight to their queue, and waits while the
//! queue is full.

use std::time::{Duration, SystemTime};

use shared::protocol::id::{Class, JobId, OwnerId, TaskId};
use shared::protocol::job::{JobSpec, JobStatus};
use shared::protocol::message::{Address, Message, Place, Planned, Task};
use shared::protocol::payload::Payload;
use shared::protocol::topology::{self, Topology};
use shared::protocol::workload::Workload;
use shared::transport::{PublishError, Transport, TransportError};

use crate::client::error::ProducerError;

/// The first wait before a task is sent again to a full queue. The wait doubles each time, up to
/// [`FULL_WAIT_MAX`]: fast consumers get the task soon, and slow ones cause few attempts.
const FULL_WAIT: Duration = Duration::from_millis(1);

/// The longest wait between two attempts at a full queue.
const FULL_WAIT_MAX: Duration = Duration::from_millis(8);

/// The queues of the tasks of one job.
pub struct Straight {
    workload: Workload,
    classes: Vec<Class>,
    pub topology: Topology,
}

impl Straight {
    pub fn new(spec: &JobSpec) -> Self {
        let (workload, classes) = (spec.workload(), spec.classes());
        let (queues, bindings) = classes.iter().map(|class| topology::tasks(workload, class)).unzip();
        Self { workload, classes, topology: Topology { exchanges: Vec::new(), queues, bindings } }
    }

    /// The task's message, and its key for the exchange of tasks.
    pub fn message(
        &self,
        job: &JobId,
        owner: &OwnerId,
        planned: Planned,
        place: Place,
        now: SystemTime,
    ) -> (String, Message) {
        let address = Address {
            task: TaskId { job: job.clone(), number: planned.number },
            opening: place.opening,
            plan: place.after,
            attempt: 1,
            owner: owner.clone(),
            workload: self.workload,
        };
        let key = topology::task_key(self.workload, &planned.class, owner);
        let body = planned.body.unwrap_or_else(|| Payload::json(Vec::new()));
        let task = Task { address, class: planned.class, planned_at: None, avoid: Vec::new(), body };
        (key, task.to_message(now))
    }

    /// Asks the broker which classes of a job that runs have no consumer: it knows before the owner
    /// does.
    pub(super) async fn look_for_consumers(
        &self,
        transport: &dyn Transport,
        status: &mut JobStatus,
    ) -> Result<(), TransportError> {
        if status.state.is_over() {
            return Ok(());
        }
        status.unserved.clear();
        for (class, queue) in self.classes.iter().zip(&self.topology.queues) {
            if transport.queue(&queue.name).await?.is_none_or(|queue| queue.consumers == 0) {
                status.unserved.push(class.to_string());
            }
        }
        Ok(())
    }
}

/// Sends the message of task `number` of a job until its queue takes it.
pub(super) async fn send(
    transport: &dyn Transport,
    key: &str,
    message: &Message,
    (job, number): (JobId, u64),
) -> Result<(), ProducerError> {
    let mut wait = FULL_WAIT;
    loop {
        match transport.publish(topology::TASKS, key, message.clone()).await {
            Ok(()) => return Ok(()),
            Err(PublishError::Refused { .. }) => {
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(FULL_WAIT_MAX);
            }
            Err(PublishError::TooLarge(oversize)) => return Err(ProducerError::TooLarge { job, number, oversize }),
            Err(PublishError::Transport(error)) => return Err(error.into()),
        }
    }
}
