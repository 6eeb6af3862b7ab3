//! A set of numbers that fills up from 0 and is stored as runs without gaps.

use std::collections::BTreeMap;

/// Memory is one entry for each run, however long the run is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contiguous {
    /// The first number of each run, and the number after its last. Runs do not touch.
    runs: BTreeMap<u64, u64>,
}

impl Contiguous {
    pub fn up_to(prefix: u64) -> Self {
        Self { runs: (prefix > 0).then_some((0, prefix)).into_iter().collect() }
    }

    fn run(&self, number: u64) -> Option<(u64, u64)> {
        let (&start, &end) = self.runs.range(..=number).next_back()?;
        (number < end).then_some((start, end))
    }

    /// The first number from this one on that is missing.
    pub fn gap_from(&self, number: u64) -> u64 {
        self.run(number).map_or(number, |(_, end)| end)
    }

    /// Adds a number; returns whether it is new.
    pub fn insert(&mut self, number: u64) -> bool {
        if self.contains(number) {
            return false;
        }
        let end = self.runs.remove(&(number + 1)).unwrap_or(number + 1);
        let before = number.checked_sub(1).and_then(|before| self.run(before));
        self.runs.insert(before.map_or(number, |(start, _)| start), end);
        true
    }

    /// Removes a number; returns whether it was there.
    pub fn remove(&mut self, number: u64) -> bool {
        let Some((start, end)) = self.run(number) else { return false };
        self.runs.remove(&start);
        for (start, end) in [(start, number), (number + 1, end)] {
            if start < end {
                self.runs.insert(start, end);
            }
        }
        true
    }

    /// The smallest number.
    pub fn first(&self) -> Option<u64> {
        self.runs.first_key_value().map(|(&start, _)| start)
    }

    /// Removes the smallest number and returns it.
    pub fn pop_first(&mut self) -> Option<u64> {
        let (start, end) = self.runs.pop_first()?;
        if start + 1 < end {
            self.runs.insert(start + 1, end);
        }
        Some(start)
    }

    /// The runs of the numbers from `from` on, below `below`: of each the first number, and the one
    /// after its last.
    pub fn runs_between(&self, from: u64, below: u64) -> Vec<(u64, u64)> {
        let first = self.run(from).map_or(from, |(start, _)| start);
        let runs = self.runs.range(first..below.max(first));
        runs.map(|(&start, &end)| (start.max(from), end.min(below))).filter(|(start, end)| start < end).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub fn contains(&self, number: u64) -> bool {
        self.run(number).is_some()
    }

    pub fn prefix(&self) -> u64 {
        self.run(0).map_or(0, |(_, end)| end)
    }

    /// One more than the largest number; 0 for an empty set.
    pub fn end(&self) -> u64 {
        self.runs.last_key_value().map_or(0, |(_, &end)| end)
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
        assert_eq!(set.end(), 4);
        assert_eq!(set.runs, [(0, 4)].into());
    }

    #[test]
    fn a_number_that_is_taken_out_is_missing_until_it_comes_back() {
        let mut set = Contiguous::up_to(5);
        assert!(set.remove(2) && !set.remove(2) && !set.contains(2));
        assert_eq!((set.prefix(), set.end()), (2, 5));
        assert_eq!([0, 2, 3, 5].map(|number| set.gap_from(number)), [2, 2, 5, 5]);
        assert!(set.remove(0) && set.remove(4));
        assert_eq!((set.prefix(), set.end(), set.runs.len()), (0, 4, 2));
        for number in [4, 0, 2] {
            assert!(set.insert(number));
        }
        assert_eq!(set, Contiguous::up_to(5));
        assert!(set.remove(1));
        assert_eq!(std::iter::from_fn(|| set.pop_first()).collect::<Vec<_>>(), [0, 2, 3, 4]);
        assert!(set.is_empty());
    }
}
