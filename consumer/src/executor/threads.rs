//! Does tasks in this process, on threads named `slot NUMBER WORKLOAD`. A panic is an error of its
//! task, and the thread goes on.

use std::sync::Arc;

use shared::protocol::message::Task;
use shared::protocol::workload::Workload;
use shared::system::threads::NoThread;

use super::slots::{Maker, Method, Slots, alike};
use super::{Executor, Sink};
use crate::work::{self, Context, Site};

/// The first thread starts now, so that tasks get done even if the system refuses the others later.
pub(crate) fn threads(workload: Workload, slots: u32, site: Arc<Site>, sink: Sink) -> Result<impl Executor, NoThread> {
    let method = move |task: &Task, context: Context<'_>| work::of(workload).work(&task.body, context);
    doing(workload.as_str(), slots, site, Box::new(method), sink)
}

pub(super) fn doing(
    name: &str,
    slots: u32,
    site: Arc<Site>,
    method: Method,
    sink: Sink,
) -> Result<impl Executor + use<>, NoThread> {
    let mut slots = Slots::new(format!("slot # {name}"), slots, site, alike(method), sink);
    slots.add_thread()?;
    Ok(slots)
}

/// The same with a doer for each slot, whose threads all start now and catch up.
pub(crate) fn own_doers(name: &str, slots: u32, make: Maker, sink: Sink) -> Result<impl Executor + use<>, NoThread> {
    let mut slots = Slots::new(format!("slot # {name}"), slots, Arc::new(Site::new()), make, sink);
    for _ in 0..slots.slots() {
        slots.add_thread()?;
    }
    slots.nudge();
    Ok(slots)
}
