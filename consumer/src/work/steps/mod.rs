//! The work of `steps`: a horse takes as many steps as the message's intensity.

use shared::protocol::message::Failure;
use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::steps::{Answer, Whip};

use super::{Context, ItemResult, Split, Work, WorkError};

#[derive(Debug)]
pub(super) struct StepsWork;

impl Work for StepsWork {
    fn work(&self, body: &Payload, _: Context<'_>) -> Result<Payload, WorkError> {
        let steps = Whip::parse(body)?.intensity;
        if u32::try_from(steps).is_err() {
            let reason = format!("no horse takes {steps} steps: more than 32 bits");
            return Err(WorkError::Permanent(Failure { reason, stderr: String::new() }));
        }
        Ok(Payload::of(&Answer { steps }))
    }

    /// A steps task has one item.
    fn split(&self, body: &Payload) -> Result<Split, Reason> {
        Ok(Split { root: None, bodies: vec![body.clone()] })
    }

    /// The failure of the one item is the failure of the task.
    fn join(&self, results: Vec<ItemResult>) -> Result<Payload, WorkError> {
        let one = results.into_iter().next().ok_or_else(|| WorkError::failed("the step has no answer"))?;
        one.map_err(WorkError::Failed)
    }

    /// No delivery waits, so that a rider notices each horse that joins or leaves.
    fn spare(&self) -> u16 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Site;

    fn work(body: &'static str) -> Result<Payload, WorkError> {
        let (site, mut publish) = (Site::new(), |_| Ok(()));
        let context =
            Context { site: &site, planned_at: None, cancelled: &|| false, publish: &mut publish, early: None };
        StepsWork.work(&Payload::json(body), context)
    }

    #[test]
    fn a_whip_is_worth_its_intensity() {
        assert_eq!(work(r#"{"intensity":7}"#), Ok(Payload::json(r#"{"steps":7}"#)));
    }

    #[test]
    fn anything_else_is_rejected() {
        for bad in ["{}", "", r#"{"intensity":-1}"#, r#"{"intensity":1,"more":2}"#] {
            assert!(matches!(work(bad), Err(WorkError::Rejected(_))));
        }
    }
}
