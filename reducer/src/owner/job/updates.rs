//! How many updates of its workers a job has. The updates themselves are in the store.

use shared::protocol::limits::UPDATES_BYTES_MAX;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Updates {
    version: u64,
    /// Bytes of the updates in the store.
    bytes: u64,
}

impl Updates {
    /// As the last process left it.
    pub const fn resumed(version: u64, bytes: u64) -> Self {
        Self { version, bytes }
    }

    /// The version of the latest update; 0 if there is none.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// One more update of so many bytes. If it `replaces` all before it, they leave the store.
    /// Returns its version; `None` if there is no room for it.
    pub fn add(&mut self, bytes: u64, replaces: bool) -> Option<u64> {
        let before = if replaces { 0 } else { self.bytes };
        let bytes = before.checked_add(bytes).filter(|&bytes| bytes <= UPDATES_BYTES_MAX)?;
        *self = Self { version: self.version + 1, bytes };
        Some(self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_replaces_the_others_makes_room() {
        let mut updates = Updates::default();
        assert_eq!(updates.add(UPDATES_BYTES_MAX - 1, false), Some(1));
        assert_eq!((updates.add(2, false), updates.version()), (None, 1));
        assert_eq!((updates.add(2, true), updates.add(2, false)), (Some(2), Some(3)));
    }
}
