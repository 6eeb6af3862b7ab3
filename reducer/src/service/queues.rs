//! The queues that an owner declares for its jobs.

use std::sync::Arc;

use shared::protocol::id::{Class, OwnerId};
use shared::protocol::job::JobSpec;
use shared::protocol::topology::{self, Binding, Queue, Topology};
use shared::protocol::workload::Workload;
use shared::transport::{Transport, TransportError};

use super::wiring::Wiring;

/// What is declared before the store is open, for a command with this job; and the job, if its queues
/// have to wait: an owner binds light queues by its name, which the store tells.
pub(super) fn at_start(spec: Option<&JobSpec>) -> (Topology, Option<&JobSpec>) {
    let mut topology = topology::shared();
    let is_light = |spec: &&JobSpec| spec.workload().descriptor().queue.is_light();
    spec.iter().filter(|spec| !is_light(spec)).for_each(|spec| topology.extend(all(spec, topology::tasks)));
    (topology, spec.filter(is_light))
}

fn all(spec: &JobSpec, queue: impl Fn(Workload, &Class) -> (Queue, Binding)) -> Topology {
    let (queues, bindings) = spec.classes().iter().map(|class| queue(spec.workload(), class)).unzip();
    Topology { exchanges: Vec::new(), queues, bindings }
}

/// Declares the queues of all classes that a job's tasks may have.
pub(super) async fn declare(
    transport: &Arc<dyn Transport>,
    spec: &JobSpec,
    owner: &OwnerId,
) -> Result<(), TransportError> {
    transport.declare(&all(spec, |workload, class| topology::tasks_of(workload, class, owner))).await
}

impl Wiring {
    /// Declares one queue, in the background: the broker may answer late.
    pub(super) fn declare(self: &Arc<Self>, workload: Workload, class: Class) {
        let Some(begun) = self.declaring.begin((workload, class.clone())) else { return };
        let wiring = Arc::clone(self);
        tokio::spawn(async move {
            let (queue, binding) = topology::tasks_of(workload, &class, wiring.owner());
            let declared = Topology { exchanges: Vec::new(), queues: vec![queue], bindings: vec![binding] };
            match wiring.transport.declare(&declared).await {
                Ok(()) | Err(TransportError::Closed) => {}
                Err(error) => tracing::warn!(%error, "A queue cannot be declared again; it is tried again."),
            }
            drop(begun);
        });
    }
}
