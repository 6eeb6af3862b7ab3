//! How far a caller's iterator may get ahead: its packs take room until they have become tasks, and
//! again until their results were taken.
//!
//! Room is taken in bulk: the thread that makes packs sleeps until there is room for many, and is not
//! woken for each.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// A room of one caller.
#[derive(Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    /// How much is taken at once, at least.
    bulk: u32,
    /// What was taken and is not used yet.
    credit: u32,
}

/// What a pack takes of a room, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Semaphore>,
    weight: u32,
}

impl Room {
    /// Room for packs that weigh `size` in all, of which an eighth or more is taken at once.
    pub fn new(size: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(size as usize)), bulk: size / 8, credit: 0 }
    }

    /// A place for a pack, if there is room for one now.
    pub fn place(&mut self, weight: u32) -> Option<Place> {
        if self.credit < weight
            && let Ok(taken) = self.free.try_acquire_many(self.bulk.max(weight))
        {
            taken.forget();
            self.credit += self.bulk.max(weight);
        }
        self.credit = self.credit.checked_sub(weight)?;
        Some(Place { room: Arc::clone(&self.free), weight })
    }

    /// Waits until there is more room. Cancelling the wait loses nothing.
    pub async fn grow(&mut self, weight: u32) {
        let bulk = self.bulk.max(weight);
        if let Ok(taken) = self.free.acquire_many(bulk).await {
            taken.forget();
            self.credit += bulk;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.add_permits(self.weight as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_heavy_packs_have_room_and_many_light_ones() {
        let mut room = Room::new(256);
        let places: Vec<Place> = std::iter::from_fn(|| room.place(64)).collect();
        assert_eq!(places.len(), 4);
        drop(places);
        let mut places: Vec<Place> = std::iter::from_fn(|| room.place(1)).collect();
        assert_eq!(places.len(), 256);
        places.truncate(256 - 31);
        assert!(room.place(1).is_none(), "it waits until there is room for many");
        places.pop();
        assert!(room.place(1).is_some());
    }
}
