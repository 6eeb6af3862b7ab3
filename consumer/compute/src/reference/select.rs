//! Ops that pick elements by their places or values.

use ops::Number::{self, Int};
use ops::ops::select::{Argwhere, FindIndices, Gather, OneHot, SetItem};
use ops::{DType, OpError};

use super::array::{cast, flat, indices, integer, place};
use super::compare::equal;
use super::moves::Taken;
use super::{Array, Reference};

impl Reference for Gather {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let (array, axis) = inputs[0].along(self.axis);
        let length = array.shape[axis];
        let in_range = |&number: &i64| (-(length as i64)..length as i64).contains(&number);
        let numbers = inputs[1].elements.iter().map(|number| number.to_i64());
        if let Some(number) = numbers.clone().find(|number| !in_range(number)) {
            return Err(OpError(format!("the index {number} is out of range for an axis of length {length}")));
        }
        let places: Vec<usize> = numbers.map(|number| place(number, length)).collect();
        let (before, after) = (&array.shape[..axis], &array.shape[axis + 1..]);
        let shape = [before, &inputs[1].shape, after].concat();
        Ok(vec![Array::from_fn(array.dtype, &shape, |index| {
            let end = axis + inputs[1].shape.len();
            let place = places[flat(&inputs[1].shape, &index[axis..end])];
            array.at(&[&index[..axis], &[place], &index[end..]].concat())
        })])
    }
}

impl Reference for SetItem {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let mut result = inputs[0].clone();
        let taken = Taken::new(&self.index, &result.shape);
        for index in indices(&taken.shape()) {
            let place = flat(&result.shape, &taken.source(&index));
            result.elements[place] = cast(inputs[1].broadcast_at(&index), result.dtype);
        }
        Ok(vec![result])
    }
}

impl Reference for OneHot {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let rank = inputs[0].shape.len();
        let shape = [&inputs[0].shape[..], &[self.depth]].concat();
        Ok(vec![Array::from_fn(DType::I64, &shape, |index| {
            Int(i64::from(inputs[0].at(&index[..rank]).to_i64() == index[rank] as i64))
        })])
    }
}

impl Reference for FindIndices {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let find = |value: &Number| {
            let dtype = value.dtype_beside(inputs[0].dtype);
            // An integer that the type does not hold occurs nowhere, and is not cut to one that does.
            let value = if dtype.is_integer() { Int(value.to_i64()) } else { cast(*value, dtype) };
            let is_there = |&(_, &element): &(usize, &Number)| equal(cast(element, dtype), value);
            Array::of_integers(inputs[0].elements.iter().enumerate().filter(is_there).map(|(place, _)| place))
        };
        Ok(self.values.iter().map(find).collect())
    }
}

impl Reference for Argwhere {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let input = &inputs[0];
        let rows: Vec<Vec<usize>> = indices(&input.shape).filter(|index| input.at(index).is_true()).collect();
        let shape = [rows.len(), input.shape.len()];
        Ok(vec![Array::new(DType::I64, &shape, rows.into_iter().flatten().map(integer).collect())])
    }
}
