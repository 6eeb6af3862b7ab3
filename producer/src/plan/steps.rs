//! The plan of `steps`: one task for each step.

use shared::protocol::limits::NEEDS_MAX;
use shared::protocol::message::{Notes, Planned};
use shared::protocol::payload::Payload;
use shared::protocol::workload::steps::{Spec, Whip, class};

use super::Tasks;

/// A rider's remaining steps.
#[derive(Debug)]
pub(super) struct StepsPlan {
    next: u64,
    whips: u64,
    needs: u64,
}

impl StepsPlan {
    pub(super) fn new(spec: &Spec) -> Self {
        Self { next: 0, whips: spec.whips, needs: spec.needs.min(NEEDS_MAX as u64) }
    }
}

impl Tasks for StepsPlan {
    fn next_task(&mut self) -> Option<Planned> {
        let number = self.next;
        if number >= self.whips {
            return None;
        }
        self.next += 1;
        Some(Planned {
            number,
            class: class(),
            body: Some(Payload::of(&Whip { intensity: number })),
            items: 1,
            bytes: 0,
            notes: Notes { needs: (number.saturating_sub(self.needs)..number).collect(), ..Notes::default() },
            at: None,
        })
    }

    fn skip(&mut self, tasks: u64) {
        self.next = self.next.saturating_add(tasks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whips_are_numbered_from_zero() {
        let mut plan = StepsPlan::new(&Spec { caravan: "c".parse().expect("id"), rider: 1, whips: 3, needs: 0 });
        let tasks = std::iter::from_fn(|| plan.next_task());
        let bodies =
            tasks.map(|task| format!("{} {}", task.number, String::from_utf8_lossy(&task.body.expect("a whip"))));
        assert_eq!(
            bodies.collect::<Vec<_>>(),
            [r#"0 {"intensity":0}"#, r#"1 {"intensity":1}"#, r#"2 {"intensity":2}"#]
        );
    }
}
