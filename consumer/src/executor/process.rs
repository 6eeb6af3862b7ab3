//! Does tasks item by item in child processes, so that a crash costs one item. Each slot has a
//! thread named `child NUMBER WORKLOAD`, which starts the child and waits for it.

use std::sync::Arc;

use shared::protocol::message::Task;
use shared::protocol::workload::Workload;

use super::slots::Slots;
use super::{Assigned, Executor, Sink};
use crate::engine::Tag;
use crate::isolation::{self, Isolation};
use crate::work::{Context, Site};

#[derive(Debug)]
pub(crate) struct Processes(Slots);

impl Processes {
    pub fn new(workload: Workload, slots: u32, site: Arc<Site>, isolation: Arc<Isolation>, sink: Sink) -> Self {
        let method = move |task: &Task, context: Context<'_>| {
            let (id, attempt) = (&task.address.task, task.address.attempt);
            tracing::warn!(%id, attempt, "A task may have killed consumers and is done item by item in isolation.");
            isolation::work(&isolation, workload, &task.body, context)
        };
        Self(Slots::new(format!("child # {workload}"), slots, site, Box::new(method), sink))
    }
}

impl Executor for Processes {
    fn slots(&self) -> u32 {
        self.0.count()
    }

    fn start(&mut self, assigned: Assigned) {
        self.0.start(assigned);
    }

    fn cancel(&mut self, tag: Tag) {
        self.0.cancel(tag);
    }

    fn close(self: Box<Self>) {
        self.0.close();
    }
}
