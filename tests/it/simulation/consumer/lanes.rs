//! The lanes of a consumer: opened, closed, and what must hold when one of their tasks is begun.

use std::time::Duration;

use consumer::engine::{Event, Lane as LaneId, LaneSpec, Tag};
use rand::RngExt;
use shared::protocol::message::Task;
use shared::protocol::topology::{self, Topology};
use shared::protocol::workload::Workload;

use super::super::mutants::Mutant;
use super::super::role::{Alarm, Do, Lane, Stage};
use super::ConsumerRole;

pub(super) struct OpenLane {
    spec: LaneSpec,
    /// Which of those that the consumer serves.
    served: usize,
    is_open: bool,
}

impl ConsumerRole {
    /// Opens a lane. Its slots are drawn: it may have fewer than there are cores, and may use none.
    pub(super) fn open(&mut self, served: usize, stage: &mut Stage, out: &mut Vec<Do>) {
        let (workload, class) = self.serves[served].clone();
        let (slots, uses_cores) = (stage.random.random_range(1..=self.cores), stage.random.random_bool(0.9));
        let spec = LaneSpec { workload, class, slots, ahead: 0, uses_cores };
        let lane = self.next_lane;
        self.next_lane += 1;
        self.lanes.insert(lane, OpenLane { spec: spec.clone(), served, is_open: true });
        let slots = spec.slots + u32::from(stage.breaks(Mutant::MoreThanSlots));
        self.tell(Event::LaneOpened { lane, spec: LaneSpec { slots, ..spec } }, stage, out);
    }

    /// Closes an open lane for so many milliseconds.
    pub(super) fn close(&mut self, lane: usize, millis: u64, stage: &mut Stage, out: &mut Vec<Do>) {
        let open: Vec<LaneId> = self.lanes.iter().filter(|(_, lane)| lane.is_open).map(|(&lane, _)| lane).collect();
        let Some(&lane) = open.get(lane % open.len().max(1)) else { return };
        if let Some(closed) = self.lanes.get_mut(&lane) {
            closed.is_open = false;
            out.push(Do::After(Duration::from_millis(millis), Alarm::OpenLane(closed.served)));
        }
        if stage.breaks(Mutant::UnsubscribeAtOnce) {
            self.unsubscribe(lane, stage, out);
        }
        if !stage.breaks(Mutant::StartWhenClosed) {
            self.tell(Event::LaneClosed { lane }, stage, out);
        }
    }

    pub(super) fn subscribe(&mut self, lane: LaneId, out: &mut Vec<Do>) {
        let LaneSpec { workload, ref class, slots, .. } = self.lanes[&lane].spec;
        let (queue, binding) = topology::tasks(workload, class);
        let (queues, bindings) = (vec![queue.clone()], vec![binding]);
        out.push(Do::Declare(Topology { exchanges: Vec::new(), queues, bindings: bindings.clone() }));
        let prefetch = slots as u16 + u16::from(workload != Workload::Steps);
        out.push(Do::Subscribe { lane: lane as Lane, queue, bindings, prefetch });
    }

    /// Whatever of the lane is not acked will be done by others, so nobody may be at it here.
    pub(super) fn unsubscribe(&mut self, lane: LaneId, stage: &mut Stage, out: &mut Vec<Do>) {
        let is_of = |tag: &&Tag| self.deliveries.get(tag).is_some_and(|delivery| delivery.lane == lane);
        if self.running.keys().any(|tag| is_of(&tag)) {
            stage.oracle.complain("a subscription was ended while one of its deliveries was worked on");
        }
        out.push(Do::Unsubscribe { lane: lane as Lane });
    }

    /// The lane that a delivery came over, and the one that the engine is told.
    pub(super) fn lane_of(&self, lane: Lane, task: Option<&Task>, stage: &Stage) -> (LaneId, LaneId) {
        let lane = lane as LaneId;
        let takes = |of: &OpenLane, task: &Task| {
            of.is_open && of.spec.workload == task.address.workload && of.spec.class == task.class
        };
        let other = task.and_then(|task| self.lanes.iter().find(|(_, of)| takes(of, task)).map(|(&other, _)| other));
        (lane, other.filter(|_| stage.breaks(Mutant::AnyQueue)).unwrap_or(lane))
    }

    /// The lane of a task that is begun.
    pub(super) fn check_start(&self, tag: Tag, task: &Task, stage: &mut Stage) -> Option<LaneId> {
        let delivery = self.deliveries.get(&tag)?;
        if delivery.message.untrusted.is_some() {
            stage.oracle.complain("a task was begun that does not open");
        }
        let (id, OpenLane { spec, is_open, .. }) = (delivery.lane, self.lanes.get(&delivery.lane)?);
        if spec.workload != task.address.workload || spec.class != task.class {
            stage.oracle.complain("a task was begun that came from the queue of other tasks");
        }
        if !is_open {
            stage.oracle.complain("a task was begun in a lane that is closed");
        }
        let running = |of: &dyn Fn(LaneId) -> bool| self.running.values().filter(|task| of(task.lane)).count();
        if running(&|lane| lane == id) >= spec.slots as usize {
            stage.oracle.complain("more tasks run in a lane than it has slots");
        }
        let uses_cores = |lane| self.lanes.get(&lane).is_some_and(|lane| lane.spec.uses_cores);
        if spec.uses_cores && running(&uses_cores) >= self.cores as usize {
            stage.oracle.complain("more tasks run than there are cores");
        }
        Some(id)
    }
}
