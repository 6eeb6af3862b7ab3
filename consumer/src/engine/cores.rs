//! How many tasks run at a time, over all lanes: the one place that decides it.
//!
//! Each lane has its own slots. Beside that, the lanes that use the machine's cores share them: any
//! of these lanes may use all cores, and together they never use more.

use std::collections::BTreeMap;

use super::Lane;

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
    uses_cores: bool,
    busy: u32,
}

impl Share {
    fn has_room(&self, has_core: bool) -> bool {
        self.busy < self.slots && (has_core || !self.uses_cores)
    }
}

impl Cores {
    pub fn new(total: u32) -> Self {
        Self { total, taken: 0, shares: BTreeMap::new() }
    }

    pub fn add(&mut self, lane: Lane, slots: u32, uses_cores: bool) {
        self.shares.insert(lane, Share { slots, uses_cores, busy: 0 });
    }

    /// The lane has ended: nothing of it runs.
    pub fn remove(&mut self, lane: Lane) {
        self.shares.remove(&lane);
    }

    /// Whether any lane can take a slot now.
    pub fn have_room(&self) -> bool {
        let has_core = self.has_core();
        self.shares.values().any(|share| share.has_room(has_core))
    }

    fn has_core(&self) -> bool {
        self.taken < self.total
    }

    /// Takes a slot of the lane, and a core if the lane uses cores. Takes nothing and returns
    /// `false` if one of them is missing.
    pub fn take(&mut self, lane: Lane) -> bool {
        let has_core = self.has_core();
        let Some(share) = self.shares.get_mut(&lane) else { return false };
        let has_room = share.has_room(has_core);
        if has_room {
            share.busy += 1;
            self.taken += u32::from(share.uses_cores);
        }
        has_room
    }

    /// A task of the lane has ended.
    pub fn give_back(&mut self, lane: Lane) {
        if let Some(share) = self.shares.get_mut(&lane) {
            share.busy -= 1;
            self.taken -= u32::from(share.uses_cores);
        }
    }

    /// Tasks of the lane that run now.
    pub fn busy(&self, lane: Lane) -> u32 {
        self.shares.get(&lane).map_or(0, |share| share.busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_lane_may_use_all_cores_and_together_they_use_no_more() {
        let mut cores = Cores::new(3);
        cores.add(1, 3, true);
        cores.add(2, 3, true);
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
        cores.add(1, 2, true);
        assert!(cores.take(1) && cores.take(1) && !cores.take(1));
        assert!(!cores.take(7), "there is no such lane");
    }

    #[test]
    fn a_lane_that_uses_no_cores_takes_none_from_the_others() {
        let mut cores = Cores::new(1);
        cores.add(1, 1, true);
        cores.add(2, 2, false);
        assert!(cores.take(2) && cores.take(2) && !cores.take(2));
        assert!(cores.take(1), "the core is free");
        cores.give_back(2);
        assert!(cores.take(2) && !cores.take(1));
    }
}
