//! The steps workload: a sum over the caravan, and one record for each whip.

use shared::protocol::job::Counts;
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::steps::{Answer, Spec, Whip, class};

use super::{Derived, DerivedTask, Fold, Record, Settled, Tally};

impl Fold for Spec {
    fn tally(&self, _: u32, answer: &Payload, _: bool) -> Result<Tally, Reason> {
        let steps = Answer::parse(answer)?.steps;
        // At 32 bits an answer, the sum of 2^31 answers fits into 63 bits.
        let amount =
            u32::try_from(steps).map_err(|_| Reason::Body { detail: format!("{steps} steps, more than 32 bits") })?;
        Ok(Tally { items_done: 1, amount: i64::from(amount), ..Tally::default() })
    }

    fn is_same(&self, _: u32, first: &Payload, second: &Payload) -> bool {
        match (Answer::parse(first), Answer::parse(second)) {
            (Ok(first), Ok(second)) => first == second,
            _ => first == second,
        }
    }

    /// The steps that it needs are added to its intensity.
    fn compose(
        &self,
        body: Payload,
        answers: &mut dyn Iterator<Item = (u64, Option<Payload>)>,
    ) -> Result<Payload, Reason> {
        let mut intensity = Whip::parse(&body)?.intensity;
        for (_, answer) in answers {
            let steps = answer.map(|answer| Answer::parse(&answer)).transpose()?.map_or(0, |answer| answer.steps);
            intensity = intensity.saturating_add(steps);
        }
        Ok(Payload::of(&Whip { intensity }))
    }

    fn records(&self, _: &Counts, task: &Settled) -> Result<Vec<Record>, Reason> {
        let number = task.number;
        Ok(match &task.answer {
            Some(Ok(answer)) => vec![Record::Whip { number, steps: Answer::parse(answer)?.steps }],
            Some(Err(reason)) => {
                let name = PathBytes(format!("whip {number}").into_bytes());
                vec![Record::Failed { name, reason: reason.clone() }]
            }
            None => Vec::new(),
        })
    }

    fn label(&self) -> Option<String> {
        Some(format!("caravan {}", self.caravan))
    }

    fn derived(&self) -> Option<&dyn Derived> {
        if self.needs == 0 { Some(self) } else { None }
    }
}

impl Derived for Spec {
    fn tasks(&self) -> u64 {
        self.whips
    }

    fn task(&self, number: u64) -> Option<DerivedTask> {
        let body = || Payload::of(&Whip { intensity: number });
        (number < self.whips).then(|| DerivedTask { class: class(), body: body() })
    }
}
