//! Tasks that may be sent and were not, by class: the next one of a class is found without a look
//! into the store.

use std::collections::BTreeMap;

use shared::protocol::id::Class;

use crate::owner::Contiguous;

/// Memory is one entry for each run of numbers of one class.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    unsent: BTreeMap<Class, Contiguous>,
    /// Replayed tasks by class and number, with their next attempt.
    replays: BTreeMap<Class, BTreeMap<u64, u32>>,
    /// For each class: its planned tasks below this number were sent, or need no sending. The store
    /// keeps it, so that a later process knows which tasks were out.
    sent_below: BTreeMap<Class, u64>,
}

impl Ready {
    /// As the last process left it.
    pub fn resumed(sent_below: BTreeMap<Class, u64>) -> Self {
        Self { sent_below, ..Self::default() }
    }

    /// For each class: its tasks below this number were sent.
    pub fn sent_below(&self) -> &BTreeMap<Class, u64> {
        &self.sent_below
    }

    pub fn add(&mut self, class: &Class, number: u64) {
        match self.unsent.get_mut(class) {
            Some(numbers) => drop(numbers.insert(number)),
            None => drop(self.unsent.entry(class.clone()).or_default().insert(number)),
        }
    }

    /// A failed task is to be sent again, as this attempt.
    pub fn replay(&mut self, class: &Class, number: u64, attempt: u32) {
        self.replays.entry(class.clone()).or_default().insert(number, attempt);
    }

    /// The task needs no sending any more.
    pub fn remove(&mut self, number: u64) {
        self.unsent.retain(|_, numbers| {
            numbers.remove(number);
            !numbers.is_empty()
        });
        self.remove_replay(number);
    }

    /// A replayed task is out again.
    pub fn remove_replay(&mut self, number: u64) {
        self.replays.retain(|_, numbers| {
            numbers.remove(&number);
            !numbers.is_empty()
        });
    }

    pub fn clear(&mut self) {
        self.unsent.clear();
        self.replays.clear();
    }

    /// Takes the next task of a class, with its attempt. Replayed tasks come first.
    pub fn next(&mut self, class: &Class) -> Option<(u64, u32)> {
        if let Some(numbers) = self.replays.get_mut(class) {
            let next = numbers.pop_first();
            if numbers.is_empty() {
                self.replays.remove(class);
            }
            if next.is_some() {
                return next;
            }
        }
        let numbers = self.unsent.get_mut(class)?;
        let number = numbers.pop_first()?;
        if numbers.is_empty() {
            self.unsent.remove(class);
        }
        let sent = self.sent_below.entry(class.clone()).or_default();
        *sent = (number + 1).max(*sent);
        Some((number, 1))
    }

    pub fn has(&self, class: &Class) -> bool {
        self.unsent.contains_key(class) || self.replays.contains_key(class)
    }

    /// The classes that have a task to send.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.unsent.keys().chain(self.replays.keys())
    }

    /// The class of a task that waits to be sent.
    pub fn class_of(&self, number: u64) -> Option<&Class> {
        let unsent = self.unsent.iter().find(|(_, numbers)| numbers.contains(number)).map(|(class, _)| class);
        unsent
            .or_else(|| self.replays.iter().find(|(_, numbers)| numbers.contains_key(&number)).map(|(class, _)| class))
    }

    /// Whether the task waits to be replayed. An earlier attempt may still be out.
    pub fn is_replay(&self, number: u64) -> bool {
        self.replays.values().any(|numbers| numbers.contains_key(&number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str) -> Class {
        Class::from_name(name.as_bytes())
    }

    #[test]
    fn each_class_goes_in_order_and_replays_go_first() {
        let (a, b) = (class("a"), class("b"));
        let mut ready = Ready::default();
        for (class, number) in [(&a, 0), (&b, 1), (&a, 2), (&b, 3)] {
            ready.add(class, number);
        }
        assert_eq!((ready.next(&b), ready.next(&a)), (Some((1, 1)), Some((0, 1))));
        ready.replay(&b, 1, 4);
        assert!(ready.is_replay(1) && ready.class_of(2) == Some(&a));
        assert_eq!([ready.next(&b), ready.next(&b), ready.next(&b)], [Some((1, 4)), Some((3, 1)), None]);
        assert_eq!(ready.sent_below(), &BTreeMap::from([(a.clone(), 1), (b.clone(), 4)]));
        ready.remove(2);
        assert!(!ready.has(&a) && ready.classes().next().is_none());
    }
}
