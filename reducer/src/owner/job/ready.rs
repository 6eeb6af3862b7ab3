//! Tasks that may be sent and were not, by class: the next one of a class is found without a look
//! into the store.

use std::collections::BTreeMap;

use shared::protocol::id::Class;

use crate::owner::Contiguous;

/// Memory is one entry for each run of numbers of one class.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    unsent: BTreeMap<Class, Contiguous>,
    /// Tasks that needed others, which are answered now. They become ready in any order.
    released: BTreeMap<Class, Contiguous>,
    /// Replayed tasks by class and number, with their next attempt.
    replays: BTreeMap<Class, BTreeMap<u64, u32>>,
    /// For each class: its tasks below this number that need no others were sent, or need no
    /// sending. The store keeps it, so that a later process knows which tasks were out.
    sent_below: BTreeMap<Class, u64>,
}

/// A task to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    pub number: u64,
    pub attempt: u32,
    /// Whether it needed others. Then the store has to note that it is sent.
    pub is_released: bool,
}

fn add(numbers: &mut BTreeMap<Class, Contiguous>, class: &Class, number: u64) {
    match numbers.get_mut(class) {
        Some(numbers) => drop(numbers.insert(number)),
        None => drop(numbers.entry(class.clone()).or_default().insert(number)),
    }
}

/// Removes what matches from all classes, and then the classes that are empty.
fn prune<T>(numbers: &mut BTreeMap<Class, T>, mut remove: impl FnMut(&mut T), is_empty: impl Fn(&T) -> bool) {
    numbers.retain(|_, numbers| {
        remove(numbers);
        !is_empty(numbers)
    });
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
        add(&mut self.unsent, class, number);
    }

    /// A task needs no others any more.
    pub fn release(&mut self, class: &Class, number: u64) {
        add(&mut self.released, class, number);
    }

    /// A failed task is to be sent again, as this attempt.
    pub fn replay(&mut self, class: &Class, number: u64, attempt: u32) {
        self.replays.entry(class.clone()).or_default().insert(number, attempt);
    }

    /// The task needs no sending any more.
    pub fn remove(&mut self, number: u64) {
        for numbers in [&mut self.unsent, &mut self.released] {
            prune(numbers, |numbers| _ = numbers.remove(number), Contiguous::is_empty);
        }
        self.remove_replay(number);
    }

    /// A replayed task is out again.
    pub fn remove_replay(&mut self, number: u64) {
        prune(&mut self.replays, |numbers| _ = numbers.remove(&number), BTreeMap::is_empty);
    }

    pub fn clear(&mut self) {
        self.unsent.clear();
        self.released.clear();
        self.replays.clear();
    }

    /// Takes the next task of a class. Replayed tasks come first, then the lowest number.
    pub fn next(&mut self, class: &Class) -> Option<Next> {
        let replay = self.replays.get_mut(class).and_then(BTreeMap::pop_first);
        if let Some((number, attempt)) = replay {
            prune(&mut self.replays, |_| {}, BTreeMap::is_empty);
            return Some(Next { number, attempt, is_released: false });
        }
        let first = |numbers: &BTreeMap<Class, Contiguous>| numbers.get(class).and_then(Contiguous::first);
        let is_released = match (first(&self.unsent), first(&self.released)) {
            (None, None) => return None,
            (Some(unsent), Some(released)) => released < unsent,
            (unsent, _) => unsent.is_none(),
        };
        let numbers = if is_released { &mut self.released } else { &mut self.unsent };
        let number = numbers.get_mut(class)?.pop_first()?;
        prune(numbers, |_| {}, Contiguous::is_empty);
        if !is_released {
            let sent = self.sent_below.entry(class.clone()).or_default();
            *sent = (number + 1).max(*sent);
        }
        Some(Next { number, attempt: 1, is_released })
    }

    pub fn has(&self, class: &Class) -> bool {
        self.unsent.contains_key(class) || self.released.contains_key(class) || self.replays.contains_key(class)
    }

    /// The classes that have a task to send; some of them more than once.
    pub fn classes(&self) -> impl Iterator<Item = &Class> {
        self.unsent.keys().chain(self.released.keys()).chain(self.replays.keys())
    }

    /// The class of a task that waits to be sent.
    pub fn class_of(&self, number: u64) -> Option<&Class> {
        let unsent = self.unsent.iter().chain(&self.released).find(|(_, numbers)| numbers.contains(number));
        let replay = || self.replays.iter().find(|(_, numbers)| numbers.contains_key(&number));
        unsent.map(|(class, _)| class).or_else(|| replay().map(|(class, _)| class))
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
        let next = |ready: &mut Ready, class: &Class| ready.next(class).map(|next| (next.number, next.attempt));
        for (class, number) in [(&a, 0), (&b, 1), (&a, 2), (&b, 3)] {
            ready.add(class, number);
        }
        assert_eq!((next(&mut ready, &b), next(&mut ready, &a)), (Some((1, 1)), Some((0, 1))));
        ready.replay(&b, 1, 4);
        assert!(ready.is_replay(1) && ready.class_of(2) == Some(&a));
        assert_eq!([(); 3].map(|()| next(&mut ready, &b)), [Some((1, 4)), Some((3, 1)), None]);
        assert_eq!(ready.sent_below(), &BTreeMap::from([(a.clone(), 1), (b.clone(), 4)]));
        ready.remove(2);
        assert!(!ready.has(&a) && ready.classes().next().is_none());
    }

    #[test]
    fn what_was_released_goes_by_number_and_leaves_no_mark_below_it() {
        let a = class("a");
        let mut ready = Ready::default();
        ready.add(&a, 3);
        ready.release(&a, 5);
        ready.release(&a, 1);
        let next = std::iter::from_fn(|| ready.next(&a)).map(|next| (next.number, next.is_released));
        assert_eq!(next.collect::<Vec<_>>(), [(1, true), (3, false), (5, true)]);
        assert_eq!(ready.sent_below().get(&a), Some(&4));
    }
}
