//! Ops that pick elements by their places or values.

use super::described::{described, parameters};
use crate::lower::{Builder, Function, Value};
use crate::{Arity, Bound, DType, Index, Number, OpError, Operator, Shape, rule};

fn indices(dtype: DType) -> Result<(), OpError> {
    rule::refuse(&[dtype], |dtype| !dtype.is_integer(), "integers as indices")
}

parameters! {
    /// Elements at places.
    #[derive(Copy, Eq, Default)]
    pub struct Gather {
        /// None: the flat array.
        #[serde(default)]
        pub axis: Option<i64>,
    }
}

impl Operator for Gather {
    described! {
        "gather", Arity::Exactly(2), Bound::Exact,
        "The elements of the first input at the places along `axis`, or in the flat array, that the second one \
         names, `numpy.take`. Negative places count from the end. The op fails for a place out of range."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        indices(inputs[1])?;
        Ok(vec![inputs[0]])
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let Some(axis) = self.axis else { return Ok(vec![Some(inputs[1].clone())]) };
        let axis = inputs[0].axis(axis)?;
        let lengths = inputs[0].lengths();
        Ok(vec![Some(Shape::new([&lengths[..axis], inputs[1].lengths(), &lengths[axis + 1..]].concat()))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (value, axis) = b.along(inputs[0], self.axis)?;
        let length = b.shape(value).lengths()[axis];
        let places = b.places(inputs[1], length)?;
        Ok(vec![b.gather(value, places, axis)])
    }
}

parameters! {
    /// Other elements at some places.
    #[derive(Eq)]
    pub struct SetItem {
        pub index: Index,
    }
}

impl Operator for SetItem {
    described! {
        "set_item", Arity::Exactly(2), Bound::Exact,
        "The first input with what `index` takes of it replaced by the second, broadcast and cast to it: \
         `x[index] = y` of NumPy, in a new array."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(vec![inputs[0]])
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let taken = self.index.resolve(&inputs[0])?.shape;
        match inputs[1].broadcast(&taken)? == taken {
            true => Ok(vec![Some(inputs[0].clone())]),
            false => Err(OpError(format!("a value of the shape {} does not fit the places of {taken}", inputs[1]))),
        }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let shape = b.shape(inputs[0]).clone();
        let taken = self.index.resolve(&shape)?;
        let value = b.cast(inputs[1], b.dtype(inputs[0]));
        let value = b.broadcast(value, &taken.shape);
        let flat = Shape::from([shape.count()]);
        let base = b.reshape(inputs[0], &flat);
        // The places that the index takes, counted through all axes.
        let all = b.iota(shape.count());
        let all = b.reshape(all, &shape);
        let places = b.slice(all, &taken.runs);
        let count = Shape::from([taken.shape.count()]);
        let (places, value) = (b.reshape(places, &count), b.reshape(value, &count));
        let set = b.scatter(base, places, value, false);
        Ok(vec![b.reshape(set, &shape)])
    }
}

parameters! {
    /// A 1 at each place.
    #[derive(Copy, Eq)]
    pub struct OneHot {
        pub depth: usize,
    }
}

impl Operator for OneHot {
    described! {
        "one_hot", Arity::Exactly(1), Bound::Exact,
        "A new last axis of length `depth` with 1 at the place that the element names and 0 elsewhere (int64), \
         `torch.nn.functional.one_hot`; only zeros for a place out of range, where PyTorch fails."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        indices(inputs[0])?;
        Ok(vec![DType::I64])
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![Some(Shape::new([inputs[0].lengths(), &[self.depth]].concat()))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let shape = Shape::new([b.shape(inputs[0]).lengths(), &[1]].concat());
        let value = b.cast(inputs[0], DType::I64);
        let value = b.reshape(value, &shape);
        let places = b.iota(self.depth);
        let is_there = b.map(Function::Equal, &[value, places])?;
        Ok(vec![b.cast(is_there, DType::I64)])
    }
}

parameters! {
    /// Where values occur.
    pub struct FindIndices {
        pub values: Vec<Number>,
    }
}

/// Values that are looked for, at most.
const VALUES_MAX: usize = 10_000;

impl Operator for FindIndices {
    described! {
        "find_indices", Arity::Exactly(1), Bound::Exact,
        "Several results: for each of `values` the places where it occurs, counted through all axes (int64), \
         `numpy.flatnonzero(x == value)`. Their shapes depend on data."
    }

    fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
        match self.values.len() {
            1..=VALUES_MAX => Ok(vec![DType::I64; self.values.len()]),
            count => Err(OpError(format!("it takes 1 to {VALUES_MAX} values, not {count}"))),
        }
    }

    fn shapes(&self, _: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![None; self.values.len()])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let mut found = Vec::new();
        for number in &self.values {
            let fits = !matches!(number, Number::Int(value) if i32::try_from(*value).is_err());
            let dtype = match number.dtype_beside(b.dtype(inputs[0])) {
                // Beside int32 it would be another number.
                DType::I32 if !fits => DType::I64,
                dtype => dtype,
            };
            let (value, wanted) = (b.cast(inputs[0], dtype), b.number(*number, dtype));
            let is_there = b.map(Function::Equal, &[value, wanted])?;
            found.push(b.nonzero(is_there, true));
        }
        Ok(found)
    }
}

parameters! {
    /// Where it is not zero.
    #[derive(Copy, Eq, Default)]
    pub struct Argwhere {}
}

impl Operator for Argwhere {
    described! {
        "argwhere", Arity::Exactly(1), Bound::Exact,
        "The places of the elements that are not zero, a row of indices for each (int64), `numpy.argwhere`; the \
         columns are what `numpy.where` of one argument gives. Its shape depends on data."
    }

    fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(vec![DType::I64])
    }

    fn shapes(&self, _: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![None])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let truth = b.truth(inputs[0]);
        Ok(vec![b.nonzero(truth, false)])
    }
}
