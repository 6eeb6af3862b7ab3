//! The work of `steps`: a horse takes as many steps as the message's intensity.

use shared::protocol::workload::steps::{Answer, Whip};

use super::{ItemResult, WorkError};

pub(super) fn work(body: &[u8]) -> Result<Answer, WorkError> {
    Ok(Answer { steps: Whip::parse(body)?.intensity })
}

/// A steps task has one item, so its failure is the failure of the task.
pub(super) fn join(results: Vec<ItemResult>) -> Result<Vec<u8>, WorkError> {
    let one = results.into_iter().next().ok_or_else(|| WorkError::failed("the step has no answer"))?;
    one.map_err(WorkError::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whip_is_worth_its_intensity() {
        assert_eq!(work(br#"{"intensity":7}"#), Ok(Answer { steps: 7 }));
    }

    #[test]
    fn anything_else_is_rejected() {
        for bad in [&b"{}"[..], b"", br#"{"intensity":-1}"#, br#"{"intensity":1,"more":2}"#] {
            assert!(matches!(work(bad), Err(WorkError::Rejected(_))));
        }
    }
}
