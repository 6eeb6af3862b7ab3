//! Ops that sort, and that count equals.

use std::cmp::Ordering;

use ops::ops::sorted::{Argsort, Bincount, Sort, Unique};
use ops::{DType, Number, OpError};

use super::array::{flat, integer, is_nan, with};
use super::compare::{equal, less};
use super::fold::Total;
use super::{Array, Reference};

/// The order of sorted elements: NaN is last, all NaN are one, and 0 is equal to -0.
pub(super) fn order(x: Number, y: Number) -> Ordering {
    match (is_nan(x), is_nan(y)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ if equal(x, y) => Ordering::Equal,
        _ if less(x, y) => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// The places of the elements of a line in their order. Equal ones stay in theirs, and NaN comes last
/// in the opposite order as well.
fn places(line: &[Number], descending: bool) -> Vec<usize> {
    let mut places: Vec<usize> = (0..line.len()).collect();
    places.sort_by(|&one, &other| match (line[one], line[other]) {
        (x, y) if descending && !is_nan(x) && !is_nan(y) => order(y, x),
        (x, y) => order(x, y),
    });
    places
}

impl Reference for Sort {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let (array, axis) = inputs[0].along(self.axis);
        let sorted = |line: &[Number]| places(line, self.descending).into_iter().map(|place| line[place]).collect();
        Ok(vec![array.lines(axis, array.dtype, sorted)])
    }
}

impl Reference for Argsort {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let (array, axis) = inputs[0].along(self.axis);
        let sorted = |line: &[Number]| places(line, self.descending).into_iter().map(integer).collect();
        Ok(vec![array.lines(axis, DType::I64, sorted)])
    }
}

impl Reference for Unique {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let (array, axis) = inputs[0].along(self.axis);
        let slice = |place: usize| -> Vec<Number> {
            let at = |index: Vec<usize>| array.at(&with(&index, axis, place));
            super::array::indices(&with(&array.shape, axis, 1)).map(at).collect()
        };
        let slices: Vec<Vec<Number>> = (0..array.shape[axis]).map(slice).collect();
        let compare = |one: usize, other: usize| {
            let mut pairs = slices[one].iter().zip(&slices[other]).map(|(&x, &y)| order(x, y));
            pairs.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        let mut places: Vec<usize> = (0..slices.len()).collect();
        places.sort_by(|&one, &other| compare(one, other));
        // Of each group of equal slices the place of the first, and how many there are.
        let (mut groups, mut inverse) = (Vec::<(usize, usize)>::new(), vec![0; slices.len()]);
        for place in places {
            match groups.last_mut() {
                Some((first, count)) if compare(*first, place).is_eq() => *count += 1,
                _ => groups.push((place, 1)),
            }
            inverse[place] = groups.len() - 1;
        }
        let values = Array::from_fn(array.dtype, &with(&array.shape, axis, groups.len()), |index| {
            array.elements[flat(&array.shape, &with(index, axis, groups[index[axis]].0))]
        });
        let mut results = vec![values];
        if self.return_inverse {
            let inverse = Array::of_integers(inverse);
            results.push(if self.axis.is_none() { inverse.reshaped(&inputs[0].shape) } else { inverse });
        }
        if self.return_counts {
            results.push(Array::of_integers(groups.iter().map(|(_, count)| *count)));
        }
        Ok(results)
    }
}

/// The largest number that is counted.
const NUMBER_MAX: usize = 1 << 27;

impl Reference for Bincount {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let number = |element: &Number| usize::try_from(element.to_i64()).ok().filter(|&number| number <= NUMBER_MAX);
        let numbers: Option<Vec<usize>> = inputs[0].elements.iter().map(number).collect();
        let numbers = numbers.ok_or_else(|| OpError::new("its numbers are from 0 to 2^27"))?;
        let count = numbers.iter().map(|number| number + 1).fold(self.minlength, usize::max);
        let dtype = if inputs.len() == 1 { DType::I64 } else { DType::F64 };
        let mut totals = vec![Total::new(dtype); count];
        for (place, number) in numbers.into_iter().enumerate() {
            totals[number].add(inputs.get(1).map_or(Number::Int(1), |weights| weights.elements[place]));
        }
        Ok(vec![Array::new(dtype, &[count], totals.into_iter().map(Total::number).collect())])
    }
}
