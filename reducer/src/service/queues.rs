//! The queues that an owner declares for its jobs.

use std::sync::Arc;

use shared::protocol::job::JobSpec;
use shared::protocol::topology::{self, Topology};
use shared::transport::{Transport, TransportError};

/// The queues of all classes that a job's tasks may have.
pub(super) fn of(spec: &JobSpec) -> Topology {
    let declared = spec.classes().iter().map(|class| topology::tasks(spec.workload(), class)).unzip();
    let (queues, bindings) = declared;
    Topology { exchanges: Vec::new(), queues, bindings }
}

/// Declares the queues of all classes that a job's tasks may have.
pub(super) async fn declare(transport: &Arc<dyn Transport>, spec: &JobSpec) -> Result<(), TransportError> {
    transport.declare(&of(spec)).await
}
