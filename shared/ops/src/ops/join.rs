//! Ops that join, cut and repeat arrays.

use serde::{Deserialize, Serialize};

use super::described::{described, parameters};
use crate::lower::{Builder, Value};
use crate::{Arity, Bound, DType, Op, OpError, Operator, Shape, Tensor, rule};

fn promoted(inputs: &[DType]) -> Result<Vec<DType>, OpError> {
    Ok(vec![rule::promoted(inputs)])
}

fn cast_all(b: &mut Builder, inputs: &[Value]) -> Vec<Value> {
    let dtypes: Vec<DType> = inputs.iter().map(|&input| b.dtype(input)).collect();
    inputs.iter().map(|&input| b.cast(input, rule::promoted(&dtypes))).collect()
}

parameters! {
    /// One after the other.
    #[derive(Copy, Eq, Default)]
    pub struct Concat {
        #[serde(default)]
        pub axis: i64,
    }
}

impl Operator for Concat {
    described! {
        "concat", Arity::AtLeast(1), Bound::Exact,
        "The inputs one after the other along `axis` (0), promoted to one type, `numpy.concatenate`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        promoted(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let axis = inputs[0].axis(self.axis)?;
        let mut length = 0_usize;
        for shape in inputs {
            if shape.rank() != inputs[0].rank() || shape.with(axis, 0) != inputs[0].with(axis, 0) {
                let first = &inputs[0];
                return Err(OpError(format!("the shapes {first} and {shape} differ in another axis than {axis}")));
            }
            length = length.saturating_add(shape.lengths()[axis]);
        }
        Ok(vec![Some(inputs[0].with(axis, length))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let axis = b.shape(inputs[0]).axis(self.axis)?;
        let values = cast_all(b, inputs);
        Ok(vec![b.concat(&values, axis)])
    }
}

parameters! {
    /// Along a new axis.
    #[derive(Copy, Eq, Default)]
    pub struct Stack {
        /// Its place in the result.
        #[serde(default)]
        pub axis: i64,
    }
}

impl Operator for Stack {
    described! {
        "stack", Arity::AtLeast(1), Bound::Exact,
        "The inputs, which have one shape, along a new axis at the place `axis` of the result (0), promoted to \
         one type, `numpy.stack`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        promoted(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        if let Some(other) = inputs.iter().find(|shape| **shape != inputs[0]) {
            return Err(OpError(format!("the shapes {} and {other} differ", inputs[0])));
        }
        let (shape, axis) = inputs[0].with_new_axis(self.axis)?;
        Ok(vec![Some(shape.with(axis, inputs.len()))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (shape, axis) = b.shape(inputs[0]).with_new_axis(self.axis)?;
        let values: Vec<Value> = cast_all(b, inputs).into_iter().map(|value| b.reshape(value, &shape)).collect();
        Ok(vec![b.concat(&values, axis)])
    }
}

/// Where an array is cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sections {
    /// So many parts of one length.
    Equal(usize),
    /// Parts of these lengths; one may be -1: what is left for it.
    Lengths(Vec<i64>),
}

parameters! {
    /// In several parts.
    #[derive(Eq)]
    pub struct Split {
        pub sections: Sections,
        #[serde(default)]
        pub axis: i64,
    }
}

impl Split {
    /// The lengths of the parts along the axis.
    fn lengths(&self, shape: &Shape) -> Result<(usize, Vec<usize>), OpError> {
        let axis = shape.axis(self.axis)?;
        let whole = shape.lengths()[axis];
        let error = |parts: &str| OpError(format!("axis {axis} of length {whole} cannot be cut into {parts}"));
        match &self.sections {
            Sections::Equal(parts) if *parts > 0 && whole.is_multiple_of(*parts) && *parts <= PARTS_MAX => {
                Ok((axis, vec![whole / parts; *parts]))
            }
            Sections::Equal(parts) => Err(error(&format!("{parts} equal parts"))),
            Sections::Lengths(lengths) => {
                let error = || error(&format!("the lengths {lengths:?}"));
                let known = lengths.iter().filter(|&&length| length != -1);
                let known: Option<Vec<usize>> = known.map(|&length| usize::try_from(length).ok()).collect();
                let sum = known.ok_or_else(error)?.into_iter().fold(0_usize, usize::saturating_add);
                let open = lengths.iter().filter(|&&length| length == -1).count();
                let rest = whole.checked_sub(sum).filter(|rest| if open == 0 { *rest == 0 } else { open == 1 });
                let rest = rest.filter(|_| lengths.len() <= PARTS_MAX).ok_or_else(error)?;
                Ok((axis, lengths.iter().map(|&length| usize::try_from(length).unwrap_or(rest)).collect()))
            }
        }
    }
}

/// Results of one op, at most.
const PARTS_MAX: usize = 10_000;

impl Operator for Split {
    described! {
        "split", Arity::Exactly(1), Bound::Exact,
        "Several results: `sections` equal parts along `axis` (0), or parts of the lengths that it lists, \
         `torch.split`; `numpy.split` for equal parts."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(inputs.to_vec())
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let (axis, lengths) = self.lengths(&inputs[0])?;
        Ok(lengths.into_iter().map(|length| Some(inputs[0].with(axis, length))).collect())
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (axis, lengths) = self.lengths(b.shape(inputs[0]))?;
        let mut from = 0;
        let part = |length: usize| {
            from += length;
            b.narrow(inputs[0], axis, from - length, from)
        };
        Ok(lengths.into_iter().map(part).collect())
    }
}

parameters! {
    /// Beside itself.
    #[derive(Eq)]
    pub struct Tile {
        /// How often along each axis; axes are added in front on either side.
        pub reps: Vec<usize>,
    }
}

impl Tile {
    /// Lengths and repeats of all axes of the result.
    fn parts(&self, shape: &Shape) -> (Vec<usize>, Vec<usize>) {
        let rank = shape.rank().max(self.reps.len());
        let filled = |list: &[usize]| [vec![1; rank - list.len()], list.to_vec()].concat();
        (filled(shape.lengths()), filled(&self.reps))
    }
}

impl Operator for Tile {
    described! {
        "tile", Arity::Exactly(1), Bound::Exact,
        "The array `reps[n]` times beside itself along each axis, `numpy.tile`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(inputs.to_vec())
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let (lengths, reps) = self.parts(&inputs[0]);
        let shape = lengths.iter().zip(&reps).map(|(length, reps)| length.saturating_mul(*reps));
        Ok(vec![Some(Shape::new(shape.collect::<Vec<_>>()))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (lengths, reps) = self.parts(b.shape(inputs[0]));
        let pairs = |repeats: &[usize]| -> Vec<usize> {
            repeats.iter().zip(&lengths).flat_map(|(repeats, length)| [*repeats, *length]).collect()
        };
        let apart = b.reshape(inputs[0], &Shape::new(pairs(&vec![1; lengths.len()])));
        let repeated = b.broadcast(apart, &Shape::new(pairs(&reps)));
        let shape: Vec<usize> = lengths.iter().zip(&reps).map(|(length, reps)| length.saturating_mul(*reps)).collect();
        Ok(vec![b.reshape(repeated, &Shape::new(shape))])
    }
}

/// How often elements are repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Repeats {
    Each(usize),
    /// One number for each element along the axis.
    List(Vec<usize>),
}

parameters! {
    /// Each element several times.
    #[derive(Eq)]
    pub struct Repeat {
        pub repeats: Repeats,
        /// None: the flat array.
        #[serde(default)]
        pub axis: Option<i64>,
    }
}

impl Repeat {
    /// The shape that is repeated, along which axis, and to which length.
    fn along(&self, shape: &Shape) -> Result<(Shape, usize, usize), OpError> {
        let shape = if self.axis.is_some() { shape.clone() } else { Shape::from([shape.count()]) };
        let axis = shape.axis(self.axis.unwrap_or(0))?;
        let length = shape.lengths()[axis];
        let repeated = match &self.repeats {
            Repeats::Each(times) => length.saturating_mul(*times),
            Repeats::List(times) if times.len() == length => {
                times.iter().fold(0, |sum: usize, n| sum.saturating_add(*n))
            }
            Repeats::List(times) => {
                let count = times.len();
                return Err(OpError(format!("{count} repeats do not fit axis {axis} of length {length}")));
            }
        };
        Ok((shape, axis, repeated))
    }
}

impl Operator for Repeat {
    described! {
        "repeat", Arity::Exactly(1), Bound::Exact,
        "Each element along `axis`, or of the flat array, `repeats` times (or as often as the list says), \
         `numpy.repeat`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(inputs.to_vec())
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let (shape, axis, repeated) = self.along(&inputs[0])?;
        Ok(vec![Some(shape.with(axis, repeated))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (shape, axis, repeated) = self.along(b.shape(inputs[0]))?;
        Shape::from([repeated]).check(DType::I64)?;
        let value = b.reshape(inputs[0], &shape);
        let times = |place: usize| match &self.repeats {
            Repeats::Each(times) => *times,
            Repeats::List(times) => times[place],
        };
        let places = (0..shape.lengths()[axis]).flat_map(|place| std::iter::repeat_n(place as i64, times(place)));
        let places = b.constant(Tensor::from_vec([repeated], places.collect())?);
        Ok(vec![b.gather(value, places, axis)])
    }
}

parameters! {
    /// An op for each slice.
    pub struct Foreach {
        /// It takes one input and gives one result, whose shape does not depend on data.
        pub each: Box<Op>,
    }
}

/// Slices that an op is applied to, at most.
const SLICES_MAX: usize = 10_000;

impl Operator for Foreach {
    fn name(&self) -> &'static str {
        "foreach"
    }

    fn meaning(&self) -> &'static str {
        "The op `each` applied to each slice along axis 0, and the results stacked. Its bound is that of the op."
    }

    fn arity(&self) -> Arity {
        Arity::Exactly(1)
    }

    fn bound(&self) -> Bound {
        self.each.operator().bound()
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        if matches!(*self.each, Op::Foreach(_)) {
            return Err(OpError::new("it applies no foreach"));
        }
        let operator = self.each.operator();
        operator.arity().check(1)?;
        operator.dtypes(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let Some((&count, slice)) = inputs[0].lengths().split_first() else {
            return Err(OpError::new("a scalar has no slices"));
        };
        if count == 0 || count > SLICES_MAX {
            return Err(OpError(format!("axis 0 has 1 to {SLICES_MAX} slices, not {count}")));
        }
        match self.each.operator().shapes(&[Shape::from(slice)])?.as_slice() {
            [Some(shape)] => Ok(vec![Some(Shape::new([&[count], shape.lengths()].concat()))]),
            _ => Err(OpError(format!("{} has several results, or one whose shape depends on data", self.each.name()))),
        }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let shape = b.shape(inputs[0]).clone();
        let slice = Shape::from(&shape.lengths()[1..]);
        let mut results = Vec::new();
        for place in 0..shape.lengths()[0] {
            let value = b.narrow(inputs[0], 0, place, place + 1);
            let value = b.reshape(value, &slice);
            results.extend(self.each.operator().lower(b, &[value])?);
        }
        Stack { axis: 0 }.lower(b, &results)
    }
}
