//! How many tasks run at a time, over all lanes: the one place that decides it.
//!
//! Each lane has its own slots. Beside that, the lanes that use the machine's cores share them: any
//! of these lanes may use all cores, and together they never use more. A lane of short tasks may have
//! some more started ahead: they wait at its slots, and take over the core of one that has ended.

use std::collections::BTreeMap;

use super::{Lane, LaneSpec};

#[derive(Debug)]
pub(super) struct Cores {
    total: u32,
    /// Running tasks of the lanes that use cores.
    taken: u32,
    shares: BTreeMap<Lane, Share>,
}

#[derive(Debug)]
struct Share {
    slots: u32,
    /// Tasks that may be started beyond those that run.
    ahead: u32,
    uses_cores: bool,
    /// Tasks that run.
    running: u32,
    /// Tasks that were started and have not ended.
    started: u32,
}

/// What a lane has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    Slot,
    Ahead,
}

impl Share {
    fn room(&self, has_core: bool) -> Option<Room> {
        if self.running < self.slots && (has_core || !self.uses_cores) {
            return Some(Room::Slot);
        }
        // Without one that runs, nobody would hand over its core.
        (self.running > 0 && self.started - self.running < self.ahead).then_some(Room::Ahead)
    }
}

impl Cores {
    pub fn new(total: u32) -> Self {
        Self { total, taken: 0, shares: BTreeMap::new() }
    }

    pub fn add(&mut self, lane: Lane, spec: &LaneSpec) {
        let LaneSpec { slots, ahead, uses_cores, .. } = *spec;
        self.shares.insert(lane, Share { slots, ahead, uses_cores, running: 0, started: 0 });
    }

    /// The lane has ended: nothing of it runs.
    pub fn remove(&mut self, lane: Lane) {
        self.shares.remove(&lane);
    }

    /// Whether any lane can start a task now.
    pub fn have_room(&self) -> bool {
        let has_core = self.has_core();
        self.shares.values().any(|share| share.room(has_core).is_some())
    }

    fn has_core(&self) -> bool {
        self.taken < self.total
    }

    /// Takes a slot of the lane, and a core if the lane uses cores, or a place ahead. Takes nothing
    /// and returns `false` if there is neither.
    pub fn take(&mut self, lane: Lane) -> bool {
        let has_core = self.has_core();
        let Some(share) = self.shares.get_mut(&lane) else { return false };
        let room = share.room(has_core);
        if room == Some(Room::Slot) {
            share.running += 1;
            self.taken += u32::from(share.uses_cores);
        }
        share.started += u32::from(room.is_some());
        room.is_some()
    }

    /// A task of the lane has ended.
    pub fn give_back(&mut self, lane: Lane) {
        if let Some(share) = self.shares.get_mut(&lane) {
            share.started -= 1;
            if share.running > share.started {
                share.running -= 1;
                self.taken -= u32::from(share.uses_cores);
            }
        }
    }

    /// Tasks of the lane that run now.
    pub fn busy(&self, lane: Lane) -> u32 {
        self.shares.get(&lane).map_or(0, |share| share.running)
    }
}

#[cfg(test)]
mod tests {
    use shared::protocol::id::Class;
    use shared::protocol::workload::Workload;

    use super::*;

    fn spec(slots: u32, ahead: u32, uses_cores: bool) -> LaneSpec {
        LaneSpec { workload: Workload::Call, class: Class::from_name(b"c"), slots, ahead, uses_cores }
    }

    #[test]
    fn tasks_ahead_take_over_the_cores_of_those_that_end() {
        let mut cores = Cores::new(2);
        cores.add(1, &spec(2, 2, true));
        cores.add(2, &spec(2, 0, true));
        assert!(cores.take(1) && cores.take(2));
        // No core is left for the other slot, and two tasks may wait at the first.
        assert!(cores.take(1) && cores.take(1) && !cores.take(1) && !cores.take(2));
        assert_eq!((cores.busy(1), cores.busy(2)), (1, 1));
        cores.give_back(1);
        assert!(!cores.take(2) && cores.take(1));
        cores.give_back(2);
        assert!(cores.take(1) && cores.busy(1) == 2);
        (0..4).for_each(|_| cores.give_back(1));
        assert!(cores.busy(1) == 0 && cores.take(2) && cores.take(2));
    }

    #[test]
    fn any_lane_may_use_all_cores_and_together_they_use_no_more() {
        let mut cores = Cores::new(3);
        cores.add(1, &spec(3, 0, true));
        cores.add(2, &spec(3, 0, true));
        assert!(cores.take(1) && cores.take(1) && cores.take(1) && !cores.take(1));
        assert!(!cores.take(2), "the other lane has slots, and no core is left");
        cores.give_back(1);
        assert!(cores.take(2) && !cores.take(1) && !cores.take(2));
        assert_eq!((cores.busy(1), cores.busy(2), cores.busy(3)), (2, 1, 0));
        assert!(!cores.have_room());
        cores.give_back(1);
        assert!(cores.have_room());
    }

    #[test]
    fn a_lane_has_no_more_than_its_slots_however_many_cores_are_free() {
        let mut cores = Cores::new(8);
        cores.add(1, &spec(2, 0, true));
        assert!(cores.take(1) && cores.take(1) && !cores.take(1));
        assert!(!cores.take(7), "there is no such lane");
    }

    #[test]
    fn a_lane_that_uses_no_cores_takes_none_from_the_others() {
        let mut cores = Cores::new(1);
        cores.add(1, &spec(1, 0, true));
        cores.add(2, &spec(2, 0, false));
        assert!(cores.take(2) && cores.take(2) && !cores.take(2));
        assert!(cores.take(1), "the core is free");
        cores.give_back(2);
        assert!(cores.take(2) && !cores.take(1));
    }
}
