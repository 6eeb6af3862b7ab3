//! Whether a file is the one that was planned: a consumer's copy of a tree may be out of date, or a
//! different tree.
//!
//! The comparison uses the sizes that the system reports, not the number of bytes read: for a file
//! in `/proc` the system reports 0.

use serde::{Deserialize, Serialize};
use shared::protocol::workload::files::{Files, Item, Times};
use shared::system::clock::utc;

use super::stamp::Stamp;
use super::system::System;

/// The attributes that a consumer compares with the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Compare {
    /// Nothing: the consumer sees the planned files themselves, as where one process plans and
    /// works. A file that has changed since is read as it is, and reported. A change during the
    /// read is detected in any case.
    #[default]
    Nothing,
    /// Sizes: the copy has its own modification times.
    Sizes,
    /// Sizes and modification times.
    Times,
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The file is the planned one, as far as the compared attributes show.
    Same,
    /// The size is equal, and the time lies between that of the planned file and that of the plan:
    /// a copy that did not preserve times.
    Untimed,
    /// The file has changed since the plan, or its name leads to another file now. Its present
    /// content counts.
    Changed,
    /// The file is a different one. With the difference, for the report.
    Other(String),
}

const SECOND: i64 = 1_000_000_000;

/// Compares a file with its plan. `planned_at` is in nanoseconds since 1970, if known.
pub(super) fn judge(
    compare: Compare,
    files: &Files,
    item: &Item,
    planned_at: Option<i64>,
    here: &Stamp,
    system: System,
) -> Found {
    // A file that the kernel makes up has the time of the first access, which differs by machine.
    if system == System::MadeUp {
        return Found::Same;
    }
    let times = times_of(here);
    if compare == Compare::Nothing {
        let is_as_planned = |planned: Times| here.len == item.size && times == planned;
        return if item.times.is_none_or(is_as_planned) { Found::Same } else { Found::Changed };
    }
    if here.len != item.size {
        return Found::Other(format!("it has {} bytes here, and {} where it was planned", here.len, item.size));
    }
    let Some(planned) = item.times.filter(|_| compare == Compare::Times).map(|times| times.modified) else {
        return Found::Same;
    };
    let here = times.modified;
    let other = |how: &str| {
        let (here, planned) = (utc(here), utc(planned));
        Found::Other(format!("it was modified at {here} here, and at {planned} where it was planned: {how}"))
    };
    if files.strict_times && [i64::MIN, i64::MAX].contains(&planned) {
        other("times before 1678 and after 2261 cannot be told apart, and the job asks for the very same")
    } else if is_same(here, planned, system, files.strict_times) {
        Found::Same
    } else if here < planned {
        other("this copy is older")
    } else if planned_at.is_some_and(|at| here > at.saturating_add(slack(here, system))) {
        other("this copy was changed after that")
    } else if files.strict_times {
        other("the job asks for the very same time")
    } else {
        Found::Untimed
    }
}

/// The same for an imagined file of `len` bytes, modified at `modified` nanoseconds since 1970, on
/// a local file system.
#[cfg(any(test, feature = "fuzzing"))]
pub fn judge_plain(
    compare: Compare,
    files: &Files,
    item: &Item,
    planned_at: Option<i64>,
    (len, modified): (u64, i64),
) -> Found {
    let (second, nanos) = (modified.div_euclid(SECOND), modified.rem_euclid(SECOND).unsigned_abs());
    let here = Stamp { len, modified: (second, nanos), changed: (second, nanos) };
    judge(compare, files, item, planned_at, &here, System::Local)
}

fn times_of(stamp: &Stamp) -> Times {
    let nanos = |(second, nanos): (i64, u64)| (second, i64::try_from(nanos).unwrap_or(0));
    Times::new(nanos(stamp.modified), nanos(stamp.changed))
}

/// Whether two times are equal, as far as both file systems store them. A time without a fraction
/// may come from a file system without fractions, so it is compared by the second unless
/// `is_strict`.
fn is_same(here: i64, planned: i64, system: System, is_strict: bool) -> bool {
    let second = |time: i64| time.div_euclid(SECOND);
    let is_whole = |time: i64| time.rem_euclid(SECOND) == 0;
    match system {
        System::Fat => here.abs_diff(planned) <= 2 * SECOND.unsigned_abs(),
        _ if !is_strict && (is_whole(here) || is_whole(planned)) => second(here) == second(planned),
        _ => here == planned,
    }
}

/// How far a file system may have rounded the time up, nanoseconds.
fn slack(here: i64, system: System) -> i64 {
    match system {
        System::Fat => 2 * SECOND,
        _ if here.rem_euclid(SECOND) == 0 => SECOND,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::protocol::workload::files::Links;

    /// Judges a file planned at 2,000 s with 5 bytes and the time `planned`, found as `len` and
    /// `here`.
    fn found(compare: Compare, strict_times: bool, planned: (i64, i64), len: u64, here: (i64, u64)) -> Found {
        on(System::Local, compare, strict_times, planned, len, here)
    }

    fn on(
        system: System,
        compare: Compare,
        strict_times: bool,
        planned: (i64, i64),
        len: u64,
        here: (i64, u64),
    ) -> Found {
        let item = Item { path: (&b"f"[..]).into(), size: 5, times: Some(Times::new(planned, planned)) };
        let files = Files { links: Links::Skip, root: "r".to_owned(), items: Vec::new(), strict_times };
        let stamp = Stamp { len, modified: here, changed: here };
        judge(compare, &files, &item, Some(2_000 * SECOND), &stamp, system)
    }

    fn times(planned: (i64, i64), here: (i64, u64)) -> Found {
        found(Compare::Times, false, planned, 5, here)
    }

    fn is_other(found: &Found, how: &str) -> bool {
        matches!(found, Found::Other(text) if text.contains(how))
    }

    #[test]
    fn another_size_is_another_file_whatever_its_times() {
        for compare in [Compare::Sizes, Compare::Times] {
            let found = found(compare, false, (1_000, 7), 4, (1_000, 7));
            assert!(is_other(&found, "it has 4 bytes here, and 5 where it was planned"), "{found:?}");
        }
    }

    #[test]
    fn a_copy_without_times_is_taken_unless_the_times_have_to_be_the_same() {
        assert_eq!(times((1_000, 7), (1_000, 7)), Found::Same);
        assert_eq!(times((1_000, 7), (1_500, 9)), Found::Untimed);
        assert!(is_other(&found(Compare::Times, true, (1_000, 7), 5, (1_500, 9)), "asks for the very same time"));
        assert_eq!(found(Compare::Sizes, true, (1_000, 7), 5, (1_500, 9)), Found::Same);
    }

    #[test]
    fn an_older_copy_and_one_that_was_changed_after_the_plan_are_other_files() {
        let older = times((1_000, 7), (1_000, 6));
        assert!(
            is_other(&older, "1970-01-01T00:16:40.000000006Z here, and at 1970-01-01T00:16:40.000000007Z"),
            "{older:?}"
        );
        assert!(is_other(&older, "this copy is older"));
        assert_eq!(times((1_000, 7), (1_999, 999_999_999)), Found::Untimed);
        assert!(is_other(&times((1_000, 7), (2_000, 1)), "changed after that"));
    }

    #[test]
    fn times_are_compared_as_exactly_as_both_sides_have_them() {
        assert_eq!(times((1_000, 7), (1_000, 0)), Found::Same);
        assert_eq!(times((1_000, 0), (1_000, 7)), Found::Same);
        assert!(is_other(&times((1_001, 0), (1_000, 7)), "older"));
        // A whole second may have been rounded up.
        assert_eq!(times((1_000, 7), (2_001, 0)), Found::Untimed);
        let fat = |here| on(System::Fat, Compare::Times, false, (1_001, 7), 5, here);
        assert_eq!([fat((1_000, 0)), fat((1_002, 0)), fat((1_003, 0))], [Found::Same, Found::Same, Found::Same]);
        assert!(is_other(&fat((998, 0)), "older"));
    }

    #[test]
    fn times_that_have_to_be_the_same_are_not_rounded() {
        let strict = |planned, here| found(Compare::Times, true, planned, 5, here);
        assert_eq!(strict((1_000, 7), (1_000, 7)), Found::Same);
        assert!(is_other(&strict((1_000, 7), (1_000, 0)), "this copy is older"));
        assert!(is_other(&strict((1_000, 0), (1_000, 7)), "asks for the very same time"));
        // Times this far away are stored as the same extreme value.
        let (year_2300, year_2350) = (10_413_792_000, 11_991_628_800);
        assert!(is_other(&strict((year_2350, 0), (year_2300, 0)), "cannot be told apart"));
        assert_eq!(times((year_2350, 0), (year_2300, 0)), Found::Same);
    }

    #[test]
    fn where_nothing_is_compared_a_file_that_has_changed_is_told() {
        let found = |len, here| found(Compare::Nothing, true, (1_000, 7), len, here);
        assert_eq!(found(5, (1_000, 7)), Found::Same);
        assert_eq!([found(4, (1_000, 7)), found(5, (1_000, 8)), found(5, (1, 0))], [const { Found::Changed }; 3]);
    }

    #[test]
    fn what_the_kernel_makes_up_is_never_another_file() {
        assert_eq!(on(System::MadeUp, Compare::Times, true, (1_000, 7), 0, (3_000, 0)), Found::Same);
    }
}
