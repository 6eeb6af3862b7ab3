//! Comparisons, and what chooses between elements.

use super::described::{described, parameters};
use super::elementwise::{elementwise, promoted};
use crate::lower::{Builder, Function, Value};
use crate::{Arity, Bound, DType, Number, OpError, Operator, Shape, rule};

fn truth(_: &[DType]) -> Result<DType, OpError> {
    Ok(DType::Bool)
}

elementwise! {
    Equal = "equal", 2 inputs, Bound::Exact, truth, |b, x| promoted(b, x, Function::Equal);
    "Whether both are equal, `numpy.equal`. Inputs of two types are promoted first, as in all comparisons."
    NotEqual = "not_equal", 2 inputs, Bound::Exact, truth, |b, x| {
        let equal = promoted(b, x, Function::Equal)?;
        b.not(equal)
    };
    "Whether they differ, `numpy.not_equal`: NaN differs from all."
    Greater = "greater", 2 inputs, Bound::Exact, truth, |b, x| promoted(b, &[x[1], x[0]], Function::Less);
    "Whether the first is larger, `numpy.greater`."
    GreaterEqual = "greater_equal", 2 inputs, Bound::Exact, truth,
        |b, x| promoted(b, &[x[1], x[0]], Function::LessEqual);
    "Whether the first is larger or equal, `numpy.greater_equal`."
    Less = "less", 2 inputs, Bound::Exact, truth, |b, x| promoted(b, x, Function::Less);
    "Whether the first is smaller, `numpy.less`."
    LessEqual = "less_equal", 2 inputs, Bound::Exact, truth, |b, x| promoted(b, x, Function::LessEqual);
    "Whether the first is smaller or equal, `numpy.less_equal`."
    Isnan = "isnan", 1 inputs, Bound::Exact, truth, |b, x| {
        let dtype = b.dtype(x[0]).to_float();
        let float = b.cast(x[0], dtype);
        b.map(Function::IsNan, &[float])
    };
    "Whether it is NaN, `numpy.isnan`: never for integers and bools."
    Where = "where", 3 inputs, Bound::Exact, |inputs| Ok(rule::promoted(&inputs[1..])), |b, x| {
        let holds = b.truth(x[0]);
        let dtype = b.dtype(x[1]).promote(b.dtype(x[2]));
        let (yes, no) = (b.cast(x[1], dtype), b.cast(x[2], dtype));
        b.select(holds, yes, no)
    };
    "The second input where the first is not zero, else the third, `numpy.where`."
}

parameters! {
    /// Cut to a range.
    #[derive(Copy, Default)]
    pub struct Clip {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub min: Option<Number>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub max: Option<Number>,
    }
}

impl Clip {
    fn dtype(&self, dtype: DType) -> DType {
        let beside = |dtype, bound: Option<Number>| bound.map_or(dtype, |bound| bound.dtype_beside(dtype));
        beside(beside(dtype, self.min), self.max)
    }
}

impl Operator for Clip {
    described! {
        "clip", Arity::Exactly(1), Bound::Exact,
        "The larger of x and `min`, and of that and `max` the smaller, `numpy.clip`: NaN of NaN. A bound that \
         is left out does not cut."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(vec![self.dtype(inputs[0])])
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![Some(inputs[0].clone())])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let mut value = b.cast(inputs[0], self.dtype(b.dtype(inputs[0])));
        for (bound, function) in [(self.min, Function::Max), (self.max, Function::Min)] {
            if let Some(bound) = bound {
                value = b.with(function, value, bound)?;
            }
        }
        Ok(vec![value])
    }
}

parameters! {
    /// To another type.
    #[derive(Copy, Eq)]
    pub struct Cast {
        pub dtype: DType,
    }
}

impl Operator for Cast {
    described! {
        "cast", Arity::Exactly(1), Bound::Exact,
        "To the type `dtype`, `numpy.ndarray.astype`: a float to an integer towards zero (what is out of range \
         becomes the nearest integer, NaN 0, where NumPy leaves it open), int64 to int32 by its lower bits, all \
         to bool by whether they are not zero."
    }

    fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(vec![self.dtype])
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![Some(inputs[0].clone())])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        Ok(vec![b.cast(inputs[0], self.dtype)])
    }
}
