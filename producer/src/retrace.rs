//! A plan that its owner has in part: what it has is compared, what it has not is to be sent.

use shared::protocol::id::{OpeningId, PlanHash};
use shared::protocol::message::{Opened, Place, Planned};

/// What becomes of a task that was planned again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Its owner has it, as far as is known so far.
    Known,
    /// Its owner does not have it: it goes there.
    New(Place),
    /// The plan is not that of its owner: what is planned over has changed.
    Differs,
}

/// The end of a plan that was made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Its owner knows the end.
    Known,
    /// Its owner is to be told: so many tasks, and where they end.
    New(u64, Place),
    /// The plan is not that of its owner.
    Differs,
}

/// How far a plan has come that is made from the start.
#[derive(Debug, Clone)]
pub struct Retrace {
    opening: OpeningId,
    /// Tasks that the owner has.
    known: u64,
    /// Their hash.
    known_hash: PlanHash,
    is_complete: bool,
    next: u64,
    hash: PlanHash,
}

impl Retrace {
    /// Of a job that was opened like this.
    pub fn new(opened: &Opened) -> Self {
        Self {
            opening: opened.opening.clone(),
            known: opened.planned,
            known_hash: opened.after.clone(),
            is_complete: opened.plan_end.is_some(),
            next: 0,
            hash: PlanHash::start(),
        }
    }

    /// Whether the owner has something that the plan is compared with.
    pub fn has_known(&self) -> bool {
        self.known > 0 || self.is_complete
    }

    /// The plan's next task.
    pub fn take(&mut self, planned: &Planned) -> Next {
        let after = self.hash.clone();
        self.hash = planned.hash(&after);
        self.next += 1;
        match self.next {
            next if next < self.known => Next::Known,
            next if next == self.known && self.hash == self.known_hash => Next::Known,
            next if next == self.known || self.is_complete => Next::Differs,
            _ => Next::New(Place { opening: self.opening.clone(), after }),
        }
    }

    /// The plan has no more.
    pub fn end(&self) -> End {
        match (self.next < self.known, self.is_complete) {
            (true, _) => End::Differs,
            (false, true) => End::Known,
            (false, false) => End::New(self.next, Place { opening: self.opening.clone(), after: self.hash.clone() }),
        }
    }

    /// The hash of the plan as far as it has come.
    pub fn hash(&self) -> &PlanHash {
        &self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::protocol::id::OwnerId;

    fn planned(number: u64, class: &str) -> Planned {
        let text = format!(r#"{{"number":{number},"class":"{class}","items":0,"bytes":0}}"#);
        serde_json::from_str(&text).expect("a task")
    }

    /// What comes of a plan of these classes where the owner has the first ones of `known`.
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
        // Shorter, and longer than a plan that was complete.
        assert_eq!(retraced(&["a", "b"], false, &["a"]), ("k".to_owned(), End::Differs));
        assert_eq!(retraced(&["a"], true, &["a", "b"]).0, "kd");
        assert_eq!(retraced(&[], true, &["a"]).0, "d");
    }
}
