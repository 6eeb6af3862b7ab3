//! Does tasks item by item in child processes, so that a crash costs one item. Each slot has a
//! thread named `child NUMBER WORKLOAD`, which starts the child and waits for it.

use std::sync::Arc;

use shared::protocol::message::Task;
use shared::protocol::workload::Workload;

use super::slots::{Slots, alike};
use super::{Executor, Sink};
use crate::isolation::{self, Isolation};
use crate::work::{Context, Site};

pub(crate) fn processes(
    workload: Workload,
    slots: u32,
    site: Arc<Site>,
    isolation: Arc<Isolation>,
    sink: Sink,
) -> impl Executor {
    let method = move |task: &Task, context: Context<'_>| {
        let (id, attempt) = (&task.address.task, task.address.attempt);
        tracing::warn!(%id, attempt, "A task may have killed consumers and is done item by item in isolation.");
        isolation::work(&isolation, workload, &task.body, context)
    };
    Slots::new(format!("child # {workload}"), slots, site, alike(Box::new(method)), sink)
}
