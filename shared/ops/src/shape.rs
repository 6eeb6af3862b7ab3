//! Shapes of arrays.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{DType, OpError};

/// Axes of an array, at most, as NumPy 2 has it.
pub const RANK_MAX: usize = 64;

/// Bytes of one array, at most: 2 GiB. What is larger is cut by its maker.
pub const BYTES_MAX: u64 = 1 << 31;

/// The lengths of an array's axes. `[]` is the shape of a scalar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shape(Vec<usize>);

impl Shape {
    pub fn new(lengths: impl Into<Vec<usize>>) -> Self {
        Self(lengths.into())
    }

    /// The shape of a scalar.
    pub const fn scalar() -> Self {
        Self(Vec::new())
    }

    pub fn lengths(&self) -> &[usize] {
        &self.0
    }

    pub const fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements. It saturates; [`Shape::check`] refuses such shapes.
    pub fn count(&self) -> usize {
        if self.0.contains(&0) {
            return 0;
        }
        self.0.iter().fold(1, |count: usize, &length| count.saturating_mul(length))
    }

    /// Refuses an array of this shape that has too many axes or bytes.
    pub fn check(&self, dtype: DType) -> Result<(), OpError> {
        if self.rank() > RANK_MAX {
            return Err(OpError(format!("an array has at most {RANK_MAX} axes, and {self} has {}", self.rank())));
        }
        let bytes = (self.count() as u128) * dtype.size() as u128;
        if bytes > u128::from(BYTES_MAX) {
            let most = BYTES_MAX >> 20;
            return Err(OpError(format!("{dtype}{self} has {} MiB, and an array has at most {most}", bytes >> 20)));
        }
        Ok(())
    }

    /// The shape that both are broadcast to, by NumPy's rule: from the last axis on, lengths are equal
    /// or one of them is 1.
    pub fn broadcast(&self, other: &Self) -> Result<Self, OpError> {
        let rank = self.rank().max(other.rank());
        let length = |shape: &Self, axis: usize| match (axis + shape.rank()).checked_sub(rank) {
            Some(own) => shape.0[own],
            None => 1,
        };
        let join = |axis| match (length(self, axis), length(other, axis)) {
            (1, length) | (length, 1) => Ok(length),
            (one, another) if one == another => Ok(one),
            (one, another) => Err(OpError(format!(
                "shapes {self} and {other} cannot be broadcast together: axis {axis} has the lengths {one} and \
                 {another}"
            ))),
        };
        (0..rank).map(join).collect::<Result<_, _>>().map(Self)
    }

    /// The place of an axis, which may be counted from the end (-1 is the last).
    pub fn axis(&self, axis: i64) -> Result<usize, OpError> {
        place(axis, self.rank()).ok_or_else(|| {
            OpError(format!("axis {axis} is out of range for the shape {self}, which has {} axes", self.rank()))
        })
    }

    /// Without these axes, or with length 1 in their places.
    pub fn without(&self, axes: &[usize], keeps: bool) -> Self {
        let kept = |(axis, &length): (usize, &usize)| match axes.contains(&axis) {
            false => Some(length),
            true => keeps.then_some(1),
        };
        Self(self.0.iter().enumerate().filter_map(kept).collect())
    }

    /// With an axis of length 1 at this place of the result, counted from the end if negative; and the
    /// place.
    pub fn with_new_axis(&self, axis: i64) -> Result<(Self, usize), OpError> {
        let mut lengths = self.0.clone();
        lengths.push(1);
        let axis = Self(lengths).axis(axis)?;
        let mut lengths = self.0.clone();
        lengths.insert(axis, 1);
        Ok((Self(lengths), axis))
    }

    /// With another length of one axis.
    pub fn with(&self, axis: usize, length: usize) -> Self {
        let mut lengths = self.0.clone();
        lengths[axis] = length;
        Self(lengths)
    }
}

/// The place of an axis or of an index among `length`, counted from the end if it is negative.
pub(crate) fn place(number: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    let place = if number < 0 { number.checked_add(length)? } else { number };
    usize::try_from(place).ok().filter(|_| place < length)
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(lengths: [usize; N]) -> Self {
        Self(lengths.into())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(lengths: Vec<usize>) -> Self {
        Self(lengths)
    }
}

impl From<&[usize]> for Shape {
    fn from(lengths: &[usize]) -> Self {
        Self(lengths.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_broadcast_from_the_last_axis_on() {
        let broadcast = |one: &[usize], other: &[usize]| Shape::from(one).broadcast(&Shape::from(other));
        assert_eq!(broadcast(&[2, 1, 3], &[4, 1]), Ok(Shape::from([2, 4, 3])));
        assert_eq!(broadcast(&[], &[2, 0]), Ok(Shape::from([2, 0])));
        let error = broadcast(&[2, 3], &[2, 4]).expect_err("they differ").to_string();
        assert!(error.contains("[2, 3] and [2, 4]") && error.contains("lengths 3 and 4"), "{error}");
    }

    #[test]
    fn what_is_too_large_is_refused_whatever_overflows() {
        let huge = Shape::from([usize::MAX, usize::MAX]);
        assert!(huge.check(DType::Bool).is_err());
        assert!(Shape::from([1 << 31]).check(DType::Bool).is_ok());
        assert!(Shape::from([1 << 31]).check(DType::I32).is_err());
        assert!(Shape::from([usize::MAX, 0]).check(DType::F64).is_ok());
        assert!(Shape::from(vec![1; 65]).check(DType::F64).is_err());
    }

    #[test]
    fn axes_count_from_either_end() {
        let shape = Shape::from([2, 3]);
        assert_eq!((shape.axis(-1), shape.axis(0)), (Ok(1), Ok(0)));
        assert!(shape.axis(2).is_err() && shape.axis(-3).is_err() && Shape::scalar().axis(0).is_err());
        assert_eq!(place(i64::MIN, 3), None);
    }
}
