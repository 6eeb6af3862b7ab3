//! Which elements of an array are meant: NumPy's basic indexing.

use serde::{Deserialize, Serialize};

use crate::shape::place;
use crate::{OpError, Shape};

/// What is taken along one axis. In a graph's file: a number, `{"from": 1, "to": 5, "step": 2}`,
/// `"newaxis"` or `"..."`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Part {
    /// One place, counted from the end if negative. The axis leaves.
    At(i64),
    /// From a place to before another, each counted from the end if negative, and cut to what there is.
    Range {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<i64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<i64>,
        #[serde(default = "one", skip_serializing_if = "is_one")]
        step: i64,
    },
    Word(Word),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// A new axis of length 1.
    #[serde(rename = "newaxis")]
    NewAxis,
    /// All axes that no other part names.
    #[serde(rename = "...")]
    Rest,
}

const fn one() -> i64 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_one(step: &i64) -> bool {
    *step == 1
}

impl Part {
    pub const ALL: Self = Self::Range { from: None, to: None, step: 1 };
    pub const NEW_AXIS: Self = Self::Word(Word::NewAxis);
    pub const REST: Self = Self::Word(Word::Rest);

    pub const fn range(from: i64, to: i64) -> Self {
        Self::Range { from: Some(from), to: Some(to), step: 1 }
    }
}

/// Parts for the axes in their order; axes at the end that have none are taken whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Index(pub Vec<Part>);

/// What an index takes along one axis of the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    pub start: usize,
    /// Elements between one and the next; negative towards the start.
    pub step: isize,
    pub count: usize,
}

/// An index, resolved against a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// One for each axis of the array.
    pub runs: Vec<Run>,
    /// The shape of what is taken: without the axes of single places, with the new ones.
    pub shape: Shape,
}

impl Index {
    /// What it takes of an array of this shape.
    pub fn resolve(&self, shape: &Shape) -> Result<Resolved, OpError> {
        let named = self.0.iter().filter(|part| !matches!(part, Part::Word(_))).count();
        let rests = self.0.iter().filter(|part| **part == Part::REST).count();
        if rests > 1 {
            return Err(OpError::new("an index has more than one \"...\""));
        }
        let left = shape.rank().checked_sub(named);
        let left =
            left.ok_or_else(|| OpError(format!("an index of {named} axes is too long for the shape {shape}")))?;
        let mut parts = self.0.clone();
        if rests == 0 {
            parts.push(Part::REST);
        }
        let (mut runs, mut lengths) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Word(Word::NewAxis) => lengths.push(1),
                Part::Word(Word::Rest) => {
                    for _ in 0..left {
                        let length = shape.lengths()[runs.len()];
                        runs.push(Run { start: 0, step: 1, count: length });
                        lengths.push(length);
                    }
                }
                Part::At(number) => {
                    let axis = runs.len();
                    let length = shape.lengths()[axis];
                    let start = place(number, length).ok_or_else(|| {
                        OpError(format!("index {number} is out of range for axis {axis} of length {length}"))
                    })?;
                    runs.push(Run { start, step: 1, count: 1 });
                }
                Part::Range { from, to, step } => {
                    let run = range(shape.lengths()[runs.len()], from, to, step)?;
                    lengths.push(run.count);
                    runs.push(run);
                }
            }
        }
        Ok(Resolved { runs, shape: Shape::new(lengths) })
    }
}

/// Python's `slice(from, to, step).indices(length)`.
fn range(length: usize, from: Option<i64>, to: Option<i64>, step: i64) -> Result<Run, OpError> {
    if step == 0 {
        return Err(OpError::new("the step of a slice is 0"));
    }
    let size = i64::try_from(length).unwrap_or(i64::MAX);
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let bound = |end: i64| (if end < 0 { end.saturating_add(size) } else { end }).clamp(low, high);
    let first = from.map_or(if step > 0 { low } else { high }, bound);
    let last = to.map_or(if step > 0 { high } else { low }, bound);
    let distance = if step > 0 { last - first } else { first - last };
    let count = if distance > 0 { (distance as u64 - 1) / step.unsigned_abs() + 1 } else { 0 };
    let (start, step) = if count == 0 { (0, 1) } else { (first, step) };
    let run = (usize::try_from(start), isize::try_from(step), usize::try_from(count));
    match run {
        (Ok(start), Ok(step), Ok(count)) => Ok(Run { start, step, count }),
        _ => Err(OpError(format!("the step {step} of a slice is out of range"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(text: &str, shape: &[usize]) -> Result<Resolved, String> {
        let index: Index = serde_json::from_str(text).map_err(|error| error.to_string())?;
        index.resolve(&Shape::from(shape)).map_err(|error| error.to_string())
    }

    #[test]
    fn slices_are_pythons() {
        // Each with the list that Python takes of range(5).
        for (text, wanted) in [
            (r#"[{"from": 1, "to": 4}]"#, vec![1, 2, 3]),
            (r#"[{"step": -1}]"#, vec![4, 3, 2, 1, 0]),
            (r#"[{"from": -2}]"#, vec![3, 4]),
            (r#"[{"from": 3, "to": 0, "step": -2}]"#, vec![3, 1]),
            (r#"[{"from": 10, "to": -10, "step": -3}]"#, vec![4, 1]),
            (r#"[{"from": 4, "to": 2}]"#, vec![]),
            (r#"[{"step": 9}]"#, vec![0]),
        ] {
            let run = runs(text, &[5]).expect(text).runs[0];
            let taken: Vec<isize> = (0..run.count as isize).map(|n| run.start as isize + n * run.step).collect();
            assert_eq!(taken, wanted, "{text}");
        }
        assert!(runs(r#"[{"step": 0}]"#, &[5]).is_err_and(|error| error.contains("step")));
    }

    #[test]
    fn axes_leave_and_come() {
        let shape = |text, shape: &[usize]| runs(text, shape).map(|resolved| resolved.shape.lengths().to_vec());
        assert_eq!(shape(r#"[1, "...", "newaxis", -1]"#, &[2, 3, 4]), Ok(vec![3, 1]));
        assert_eq!(shape("[]", &[2, 3]), Ok(vec![2, 3]));
        assert!(shape("[0, 0]", &[2]).is_err_and(|error| error.contains("too long")));
        assert!(shape("[2]", &[2]).is_err_and(|error| error.contains("out of range")));
        assert!(shape(r#"["...", "..."]"#, &[2]).is_err());
        assert!(shape(r#"[{"form": 1}]"#, &[2]).is_err());
    }
}
