//! Does tasks in this process, on threads named `slot NUMBER WORKLOAD`. A panic is an error of its
//! task, and the thread goes on.

use std::sync::Arc;

use shared::protocol::message::Task;
use shared::protocol::workload::Workload;
use shared::system::threads::NoThread;

use super::slots::{Method, Slots};
use super::{Assigned, Executor, Sink};
use crate::engine::Tag;
use crate::work::{self, Context, Site};

#[derive(Debug)]
pub(crate) struct Threads(Slots);

impl Threads {
    /// The first thread starts now, so that tasks get done even if the system refuses the others
    /// later.
    pub fn new(workload: Workload, slots: u32, site: Arc<Site>, sink: Sink) -> Result<Self, NoThread> {
        let method = move |task: &Task, context: Context<'_>| work::of(workload).work(&task.body, context);
        Self::doing(workload.as_str(), slots, site, Box::new(method), sink)
    }

    pub(super) fn doing(name: &str, slots: u32, site: Arc<Site>, method: Method, sink: Sink) -> Result<Self, NoThread> {
        let mut slots = Slots::new(format!("slot # {name}"), slots, site, method, sink);
        slots.add_thread()?;
        Ok(Self(slots))
    }
}

impl Executor for Threads {
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
