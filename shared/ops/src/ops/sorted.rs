//! Ops that sort, and that count equals.

use super::described::{described, parameters};
use crate::lower::{Builder, Function, Value};
use crate::{Arity, Bound, DType, OpError, Operator, Shape, rule};

/// Sorts along an axis, or the flat array.
macro_rules! sorts {
    ($($name:ident = $text:literal, $dtype:expr, $output:literal; $meaning:literal)*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Copy, Eq)]
            pub struct $name {
                /// `null`: the flat array.
                #[serde(default = "last")]
                pub axis: Option<i64>,
                #[serde(default)]
                pub descending: bool,
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self { axis: last(), descending: false }
            }
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(1), Bound::Exact, $meaning }

            fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
                let dtype: fn(DType) -> DType = $dtype;
                Ok(vec![dtype(inputs[0])])
            }

            fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                Ok(vec![Some(match self.axis {
                    Some(axis) => {
                        inputs[0].axis(axis)?;
                        inputs[0].clone()
                    }
                    None => Shape::from([inputs[0].count()]),
                })])
            }

            fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
                let both = sort(b, inputs[0], self.axis, self.descending)?;
                Ok(vec![both[$output]])
            }
        }
    )*};
}

const fn last() -> Option<i64> {
    Some(-1)
}

/// The sorted elements, and the places that they had.
fn sort(b: &mut Builder, input: Value, axis: Option<i64>, descending: bool) -> Result<[Value; 2], OpError> {
    let (value, axis) = b.along(input, axis)?;
    let (value, back) = b.to_last(value, axis);
    // The opposite order is that of the opposite elements, so that equal ones stay in their order.
    let opposite = match b.dtype(value) {
        DType::F32 | DType::F64 => Function::Neg,
        _ => Function::Not,
    };
    let key = if descending { b.map(opposite, &[value])? } else { value };
    let (sorted, places) = b.sort(key);
    let sorted = if descending { b.map(opposite, &[sorted])? } else { sorted };
    Ok([b.permute(sorted, &back), b.permute(places, &back)])
}

sorts! {
    Sort = "sort", |dtype| dtype, 0;
    "Ascending (or `descending`) along `axis` (-1), or the flat array with `null`, `numpy.sort`: NaN comes last."
    Argsort = "argsort", |_| DType::I64, 1;
    "The places of the sorted elements (int64), `numpy.argsort` with `stable`: equal elements in their order, \
     NaN last."
}

parameters! {
    /// Different elements.
    #[derive(Copy, Eq, Default)]
    pub struct Unique {
        /// None: the flat array.
        #[serde(default)]
        pub axis: Option<i64>,
        #[serde(default)]
        pub return_inverse: bool,
        #[serde(default)]
        pub return_counts: bool,
    }
}

impl Operator for Unique {
    described! {
        "unique", Arity::Exactly(1), Bound::Exact,
        "The different elements in ascending order, or with `axis` the different slices along it, \
         `numpy.unique`; then, if asked for, for each element or slice its place among these, and how often \
         each occurs (int64). All NaN are one. Their shapes depend on data."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        let more = usize::from(self.return_inverse) + usize::from(self.return_counts);
        Ok([vec![inputs[0]], vec![DType::I64; more]].concat())
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let inverse = match self.axis {
            Some(axis) => Shape::from([inputs[0].lengths()[inputs[0].axis(axis)?]]),
            None => inputs[0].clone(),
        };
        let shapes = [(true, None), (self.return_inverse, Some(inverse)), (self.return_counts, None)];
        Ok(shapes.into_iter().filter(|(wanted, _)| *wanted).map(|(_, shape)| shape).collect())
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let shape = b.shape(inputs[0]).clone();
        let (value, axis) = b.along(inputs[0], self.axis)?;
        let [values, inverse, counts] = b.unique(value, axis);
        let inverse = if self.axis.is_none() { b.reshape(inverse, &shape) } else { inverse };
        let results = [(true, values), (self.return_inverse, inverse), (self.return_counts, counts)];
        Ok(results.into_iter().filter(|(wanted, _)| *wanted).map(|(_, value)| value).collect())
    }
}

parameters! {
    /// How often each number occurs.
    #[derive(Copy, Eq, Default)]
    pub struct Bincount {
        #[serde(default)]
        pub minlength: usize,
    }
}

impl Operator for Bincount {
    described! {
        "bincount", Arity::Between(1, 2), Bound::Sum { factor: 1.0 },
        "How often each number from 0 to the largest occurs in the first input (int64), at least `minlength` \
         numbers, or the sum of the second input where it does (float64), `numpy.bincount`. The op fails for a \
         negative number, and for one above 2^27. Its shape depends on data."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        rule::refuse(&inputs[..1], |dtype| !dtype.is_integer(), "integers")?;
        Ok(vec![if inputs.len() > 1 { DType::F64 } else { DType::I64 }])
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        if inputs[0].rank() != 1 || inputs.iter().any(|shape| *shape != inputs[0]) {
            let all: Vec<String> = inputs.iter().map(Shape::to_string).collect();
            return Err(OpError(format!("it takes inputs of one axis and one length, not {}", all.join(" and "))));
        }
        Shape::from([self.minlength]).check(DType::I64)?;
        Ok(vec![None])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let value = b.cast(inputs[0], DType::I64);
        let weights = inputs.get(1).map(|&weights| b.cast(weights, DType::F64));
        let (low, high) = (b.number(-1, DType::I64), b.number(1_i64 << 27, DType::I64));
        let (is_low, is_high) = (b.map(Function::Less, &[low, value])?, b.map(Function::LessEqual, &[value, high])?);
        let holds = b.map(Function::And, &[is_low, is_high])?;
        let value = b.require(value, holds, "its numbers are from 0 to 2^27");
        Ok(vec![b.bincount(value, weights, self.minlength)])
    }
}
