//! Ops that fold elements along axes.

use super::described::{described, parameters};
use crate::lower::{Builder, Fold, Function, Value};
use crate::{Arity, Axes, Bound, DType, OpError, Operator, Shape, rule};

/// An op that folds the elements along `axis` into one.
macro_rules! folds {
    ($(
        $name:ident = $text:literal, $bound:expr, $needs_elements:literal, $dtype:expr, $lower:expr; $meaning:literal
    )*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Default)]
            pub struct $name {
                /// The axes that leave.
                #[serde(default)]
                pub axis: Axes,
                /// Whether they stay, with length 1.
                #[serde(default)]
                pub keepdims: bool,
            }
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(1), $bound, $meaning }

            fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
                let dtype: fn(DType) -> DType = $dtype;
                Ok(vec![dtype(inputs[0])])
            }

            fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                let axes = self.axis.places(&inputs[0])?;
                if $needs_elements {
                    rule::not_empty(&inputs[0], &axes)?;
                }
                Ok(vec![Some(inputs[0].without(&axes, self.keepdims))])
            }

            fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
                let shape = b.shape(inputs[0]).clone();
                let axes = self.axis.places(&shape)?;
                let lower: fn(&mut Builder, Value, &[usize]) -> Value = $lower;
                let folded = lower(b, inputs[0], &axes);
                Ok(vec![b.keep_axes(folded, &shape, &axes, self.keepdims)])
            }
        }
    )*};
}

fn summed(b: &mut Builder, value: Value, fold: Fold, axes: &[usize]) -> Value {
    let value = b.cast(value, b.dtype(value).to_sum());
    b.reduce(fold, value, axes)
}

fn of_truths(b: &mut Builder, value: Value, fold: Fold, axes: &[usize]) -> Value {
    let truths = b.truth(value);
    b.reduce(fold, truths, axes)
}

/// The least or the largest; bools as their numbers.
fn extreme(b: &mut Builder, value: Value, [of_numbers, of_bools]: [Fold; 2], axes: &[usize]) -> Value {
    let fold = if b.dtype(value) == DType::Bool { of_bools } else { of_numbers };
    b.reduce(fold, value, axes)
}

folds! {
    Sum = "sum", Bound::Sum { factor: 1.0 }, false, DType::to_sum, |b, x, axes| summed(b, x, Fold::Sum, axes);
    "Sum of the elements along `axis`, `numpy.sum`: int64 of int32 and bool, 0 of none. Integers wrap around."
    Prod = "prod", Bound::Sum { factor: 1.0 }, false, DType::to_sum, |b, x, axes| summed(b, x, Fold::Prod, axes);
    "Product of the elements along `axis`, `numpy.prod`: int64 of int32 and bool, 1 of none. Integers wrap around."
    Min = "min", Bound::Exact, true, |dtype| dtype, |b, x, axes| extreme(b, x, [Fold::Min, Fold::All], axes);
    "The smallest element along `axis`, `numpy.min`: NaN if one is NaN. An empty axis is refused."
    Max = "max", Bound::Exact, true, |dtype| dtype, |b, x, axes| extreme(b, x, [Fold::Max, Fold::Any], axes);
    "The largest element along `axis`, `numpy.max`: NaN if one is NaN. An empty axis is refused."
    Any = "any", Bound::Exact, false, |_| DType::Bool, |b, x, axes| of_truths(b, x, Fold::Any, axes);
    "Whether an element along `axis` is not zero, `numpy.any`: false of none."
    All = "all", Bound::Exact, false, |_| DType::Bool, |b, x, axes| of_truths(b, x, Fold::All, axes);
    "Whether all elements along `axis` are not zero, `numpy.all`: true of none."
}

/// An op that gives the place of an extreme element.
macro_rules! places {
    ($($name:ident = $text:literal, $lower:expr; $meaning:literal)*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Copy, Eq, Default)]
            pub struct $name {
                /// The axis that leaves; none: the flat array.
                #[serde(default)]
                pub axis: Option<i64>,
                #[serde(default)]
                pub keepdims: bool,
            }
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(1), Bound::Exact, $meaning }

            fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
                Ok(vec![DType::I64])
            }

            fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                let axes = Axes::from(self.axis).places(&inputs[0])?;
                rule::not_empty(&inputs[0], &axes)?;
                Ok(vec![Some(inputs[0].without(&axes, self.keepdims))])
            }

            fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
                let shape = b.shape(inputs[0]).clone();
                let (value, axis) = b.along(inputs[0], self.axis)?;
                let lower: fn(&mut Builder, Value) -> Result<Value, OpError> = $lower;
                let value = lower(b, value)?;
                let place = b.argmax(value, axis);
                let axes = Axes::from(self.axis).places(&shape)?;
                Ok(vec![b.keep_axes(place, &shape, &axes, self.keepdims)])
            }
        }
    )*};
}

places! {
    Argmax = "argmax", |_, value| Ok(value);
    "The place of the first largest element along `axis`, or in the flat array, `numpy.argmax`; NaN is the \
     largest. An empty axis is refused."
    Argmin = "argmin", |b, value| match b.dtype(value) {
        DType::Bool => b.not(value),
        // Its order is the opposite: of integers also for the smallest, which has no negative.
        DType::I32 | DType::I64 => b.map(Function::Not, &[value]),
        DType::F32 | DType::F64 => b.map(Function::Neg, &[value]),
    };
    "The place of the first smallest element along `axis`, or in the flat array, `numpy.argmin`; NaN is the \
     smallest. An empty axis is refused."
}

parameters! {
    /// Running sums.
    #[derive(Copy, Eq, Default)]
    pub struct Cumsum {
        /// None: the flat array.
        #[serde(default)]
        pub axis: Option<i64>,
    }
}

impl Operator for Cumsum {
    described! {
        "cumsum", Arity::Exactly(1), Bound::Sum { factor: 1.0 },
        "Sums of each element and those before it along `axis`, or in the flat array, `numpy.cumsum`: int64 of \
         int32 and bool. Integers wrap around."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(vec![inputs[0].to_sum()])
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
        let (value, axis) = b.along(inputs[0], self.axis)?;
        let value = b.cast(value, b.dtype(value).to_sum());
        Ok(vec![b.cumsum(value, axis)])
    }
}

/// x - max(x) along an axis, as floats.
fn centered(b: &mut Builder, value: Value, axis: i64) -> Result<(Value, usize), OpError> {
    let axis = b.shape(value).axis(axis)?;
    let value = b.cast(value, b.dtype(value).to_float());
    if b.shape(value).lengths()[axis] == 0 {
        return Ok((value, axis));
    }
    let largest = b.fold_kept(Fold::Max, value, &[axis]);
    Ok((b.sub(value, largest)?, axis))
}

macro_rules! softmaxes {
    ($($name:ident = $text:literal, $bound:expr, $lower:expr; $meaning:literal)*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Copy, Eq)]
            pub struct $name {
                pub axis: i64,
            }
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(1), $bound, $meaning }

            fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
                Ok(vec![inputs[0].to_float()])
            }

            fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                inputs[0].axis(self.axis)?;
                Ok(vec![Some(inputs[0].clone())])
            }

            fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
                let (value, axis) = centered(b, inputs[0], self.axis)?;
                let lower: fn(&mut Builder, Value, usize) -> Result<Value, OpError> = $lower;
                Ok(vec![lower(b, value, axis)?])
            }
        }
    )*};
}

softmaxes! {
    Softmax = "softmax", Bound::Largest { epsilons: 64.0 }, |b, value, axis| {
        let powers = b.map(Function::Exp, &[value])?;
        let sum = b.fold_kept(Fold::Sum, powers, &[axis]);
        b.div(powers, sum)
    };
    "exp(x - max) / sum(exp(x - max)) along `axis`, `torch.softmax`: float64 of integers and bools."
    LogSoftmax = "log_softmax", Bound::Largest { epsilons: 64.0 }, |b, value, axis| {
        let powers = b.map(Function::Exp, &[value])?;
        let sum = b.fold_kept(Fold::Sum, powers, &[axis]);
        let log = b.map(Function::Log, &[sum])?;
        b.sub(value, log)
    };
    "x - max - log(sum(exp(x - max))) along `axis`, `torch.log_softmax`: float64 of integers and bools."
}
