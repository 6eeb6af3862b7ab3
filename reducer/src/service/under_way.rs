//! Background work that runs once at a time for each key, so that repeated requests do not pile up
//! while a broker does not answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The keys of the work under way.
#[derive(Debug)]
pub(super) struct UnderWay<K>(Arc<Mutex<BTreeSet<K>>>);

/// Work under way. Its key is free again when this value is dropped.
pub(super) struct Begun<K: Ord> {
    key: K,
    all: Arc<Mutex<BTreeSet<K>>>,
}

impl<K> Default for UnderWay<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Ord + Clone> UnderWay<K> {
    /// Marks a key as under way; `None` if it already is.
    pub fn begin(&self, key: K) -> Option<Begun<K>> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        is_new.then(|| Begun { key, all: Arc::clone(&self.0) })
    }
}

impl<K: Ord> Drop for Begun<K> {
    fn drop(&mut self) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_begins_once_at_a_time() {
        let all = UnderWay::default();
        let first = all.begin(1);
        assert!(first.is_some() && all.begin(1).is_none() && all.begin(2).is_some());
        drop(first);
        assert!(all.begin(1).is_some());
    }
}
