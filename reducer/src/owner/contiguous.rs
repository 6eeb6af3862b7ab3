//! A set of numbers that fills up from 0: a prefix and the few beyond it.

use std::collections::BTreeSet;

/// Memory is the numbers beyond the first gap only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contiguous {
    prefix: u64,
    beyond: BTreeSet<u64>,
}

impl Contiguous {
    /// All numbers below `prefix`.
    pub fn up_to(prefix: u64) -> Self {
        Self { prefix, beyond: BTreeSet::new() }
    }

    /// Adds a number; whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        if number < self.prefix {
            return false;
        }
        if number > self.prefix {
            return self.beyond.insert(number);
        }
        self.prefix += 1;
        while self.beyond.remove(&self.prefix) {
            self.prefix += 1;
        }
        true
    }

    /// Whether the number is in it.
    pub fn contains(&self, number: u64) -> bool {
        number < self.prefix || self.beyond.contains(&number)
    }

    /// The first number that is missing.
    pub fn prefix(&self) -> u64 {
        self.prefix
    }

    /// How many of the numbers below `end` are missing.
    pub fn missing_below(&self, end: u64) -> u64 {
        end.saturating_sub(self.prefix) - self.beyond.range(..end).count() as u64
    }

    /// One more than the largest.
    pub fn end(&self) -> u64 {
        self.beyond.last().map_or(self.prefix, |last| last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills_up_in_any_order() {
        let mut set = Contiguous::default();
        for (number, new, prefix) in
            [(1, true, 0), (3, true, 0), (1, false, 0), (0, true, 2), (0, false, 2), (2, true, 4)]
        {
            assert_eq!((set.insert(number), set.prefix()), (new, prefix), "{number}");
        }
        assert_eq!((set.missing_below(6), set.end()), (2, 4));
        assert!(set.beyond.is_empty());
    }

    #[test]
    fn missing_numbers_are_counted() {
        let mut set = Contiguous::up_to(3);
        set.insert(5);
        assert_eq!((set.missing_below(2), set.missing_below(5), set.missing_below(7)), (0, 2, 3));
    }
}
