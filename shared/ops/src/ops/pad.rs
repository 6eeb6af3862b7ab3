//! Elements around an array.

use serde::{Deserialize, Serialize};

use super::described::{described, parameters};
use crate::lower::{Builder, Value};
use crate::{Arity, Bound, DType, Number, OpError, Operator, Shape, Tensor};

/// What stands around the array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadMode {
    #[default]
    Constant,
    /// The nearest element.
    Edge,
    /// The elements mirrored at the first and the last one, which are not repeated.
    Reflect,
}

parameters! {
    /// Elements before and after each axis.
    pub struct Pad {
        /// For each axis how many before and after it.
        pub widths: Vec<(usize, usize)>,
        #[serde(default)]
        pub mode: PadMode,
        /// Of mode `constant`.
        #[serde(default = "zero")]
        pub value: Number,
    }
}

const fn zero() -> Number {
    Number::Int(0)
}

impl Pad {
    /// For each place along an axis of the result the place of the element that it takes.
    fn places(&self, length: usize, (before, after): (usize, usize)) -> Vec<i64> {
        let (length, before, after) = (length as i64, before as i64, after as i64);
        let place = |at: i64| match self.mode {
            PadMode::Reflect if length > 1 => {
                let period = 2 * (length - 1);
                let at = at.rem_euclid(period);
                at.min(period - at)
            }
            _ => at.clamp(0, length - 1),
        };
        (-before..length + after).map(place).collect()
    }
}

impl Operator for Pad {
    described! {
        "pad", Arity::Exactly(1), Bound::Exact,
        "With `widths` elements before and after each axis, `numpy.pad`: `value` (mode `constant`), the nearest \
         element (`edge`), or the elements mirrored without the first and the last (`reflect`)."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(inputs.to_vec())
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let shape = &inputs[0];
        if self.widths.len() != shape.rank() {
            return Err(OpError(format!("widths for {} axes do not fit the shape {shape}", self.widths.len())));
        }
        let mut lengths = Vec::new();
        for (&length, &(before, after)) in shape.lengths().iter().zip(&self.widths) {
            // Also where another axis is empty: the places along each axis are listed.
            Shape::from([length.saturating_add(before).saturating_add(after)]).check(DType::I64)?;
            if length == 0 && (before, after) != (0, 0) && self.mode != PadMode::Constant {
                return Err(OpError(format!("an axis of the shape {shape} has no element to repeat")));
            }
            lengths.push(length.saturating_add(before).saturating_add(after));
        }
        Ok(vec![Some(Shape::new(lengths))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        if self.mode == PadMode::Constant {
            let with = b.number(self.value, b.dtype(inputs[0]));
            return Ok(vec![b.pad(inputs[0], &self.widths, with)?]);
        }
        let mut value = inputs[0];
        for (axis, &widths) in self.widths.iter().enumerate().filter(|(_, widths)| **widths != (0, 0)) {
            let places = self.places(b.shape(value).lengths()[axis], widths);
            let places = b.constant(Tensor::from_vec([places.len()], places)?);
            value = b.gather(value, places, axis);
        }
        Ok(vec![value])
    }
}
