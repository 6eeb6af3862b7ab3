//! Compares a plan, made again from the start, with the part that its owner has. The rest is to be
//! sent.

use shared::protocol::id::{OpeningId, PlanHash};
use shared::protocol::message::{Opened, Place, Planned};

/// What to do with a task that was planned again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The owner has the task, or a different one: only the last known task's hash tells.
    Known,
    /// The owner does not have the task: send it with this place.
    New(Place),
    /// The plan differs from the owner's: the files have changed.
    Differs,
}

/// How the end of a plan that was made again compares with the owner's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The owner knows the plan end.
    Known,
    /// Send the plan end: the number of tasks, and its place.
    New(u64, Place),
    /// The plan differs from the owner's.
    Differs,
}

/// The progress of a plan that is made from the start.
#[derive(Debug, Clone)]
pub struct Retrace {
    opening: OpeningId,
    /// Number of tasks that the owner has.
    known: u64,
    /// Hash of the owner's tasks.
    known_hash: PlanHash,
    is_complete: bool,
    next: u64,
    hash: PlanHash,
    /// A derived plan has no chain of hashes: what its tasks are follows from the job's spec.
    is_derived: bool,
}

impl Retrace {
    pub fn new(opened: &Opened) -> Self {
        Self {
            opening: opened.opening.clone(),
            known: opened.planned,
            known_hash: opened.after.clone(),
            is_complete: opened.plan_end.is_some(),
            next: 0,
            hash: PlanHash::start(),
            is_derived: false,
        }
    }

    /// The rest of a derived plan: it begins at the first task without an answer.
    pub fn derived(opened: &Opened) -> Self {
        Self { known: 0, next: opened.planned, is_derived: true, ..Self::new(opened) }
    }

    /// Number of the plan's next task.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Whether the owner has a part of the plan to compare with.
    pub fn has_known(&self) -> bool {
        self.known > 0 || self.is_complete
    }

    /// Takes the plan's next task.
    pub fn take(&mut self, planned: &Planned) -> Next {
        let after = self.hash.clone();
        if !self.is_derived {
            self.hash = planned.hash(&after);
        }
        self.next += 1;
        match self.next {
            next if next < self.known => Next::Known,
            next if next == self.known && self.hash == self.known_hash => Next::Known,
            next if next == self.known || self.is_complete => Next::Differs,
            _ => Next::New(Place { opening: self.opening.clone(), after }),
        }
    }

    /// Call when the plan has no more tasks.
    pub fn end(&self) -> End {
        match (self.next < self.known, self.is_complete) {
            (true, _) => End::Differs,
            (false, true) => End::Known,
            (false, false) => End::New(self.next, Place { opening: self.opening.clone(), after: self.hash.clone() }),
        }
    }

    /// The hash of the tasks so far.
    pub fn hash(&self) -> &PlanHash {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::protocol::id::OwnerId;
    use shared::protocol::message::Notes;

    fn planned(number: u64, class: &str) -> Planned {
        let class = class.parse().expect("an id");
        Planned { number, class, body: None, items: 0, bytes: 0, notes: Notes::default(), at: None }
    }

    /// Makes a plan of tasks with the classes `plan`, where the owner has a plan of `known`. One
    /// letter for each task: k(nown), n(ew) or d(iffers).
    fn retraced(known: &[&str], plan_end: bool, plan: &[&str]) -> (String, End) {
        let of =
            |classes: &[&str]| (0..).zip(classes).map(|(number, class)| planned(number, class)).collect::<Vec<_>>();
        let opened = Opened {
            job: "j".parse().expect("an id"),
            opening: "o".parse().expect("an id"),
            owner: OwnerId::main(),
            planned: known.len() as u64,
            after: of(known).iter().fold(PlanHash::start(), |hash, task| task.hash(&hash)),
            plan_end: plan_end.then_some(known.len() as u64),
            ended: None,
        };
        let mut retrace = Retrace::new(&opened);
        let dead_letter = |task| match retrace.take(&task) {
            Next::Known => 'k',
            Next::New(_) => 'n',
            Next::Differs => 'd',
        };
        (of(plan).into_iter().map(dead_letter).collect(), retrace.end())
    }

    #[test]
    fn what_the_owner_has_is_compared_and_the_rest_is_new() {
        assert!(matches!(retraced(&[], false, &["a", "b"]), (steps, End::New(2, _)) if steps == "nn"));
        assert!(matches!(retraced(&["a", "b"], false, &["a", "b", "c"]), (steps, End::New(3, _)) if steps == "kkn"));
        assert_eq!(retraced(&["a", "b"], true, &["a", "b"]), ("kk".to_owned(), End::Known));
        assert_eq!(retraced(&[], true, &[]), (String::new(), End::Known));
    }

    #[test]
    fn any_difference_is_seen() {
        assert_eq!(retraced(&["a", "b"], false, &["x", "b"]).0, "kd");
        assert_eq!(retraced(&["a", "b"], false, &["a", "x"]).0, "kd");
        // The plan is shorter than the owner's, or longer than a complete one.
        assert_eq!(retraced(&["a", "b"], false, &["a"]), ("k".to_owned(), End::Differs));
        assert_eq!(retraced(&["a"], true, &["a", "b"]).0, "kd");
        assert_eq!(retraced(&[], true, &["a"]).0, "d");
    }
}
