//! Ops that join, cut and repeat arrays.

use ops::OpError;
use ops::ops::join::{Concat, Foreach, Repeat, Repeats, Sections, Split, Stack, Tile};

use super::array::{place, promoted, with};
use super::{Array, Reference};

/// Arrays of one type one after the other along an axis.
fn concat(arrays: &[Array], axis: usize) -> Array {
    let length = arrays.iter().map(|array| array.shape[axis]).sum();
    Array::from_fn(arrays[0].dtype, &with(&arrays[0].shape, axis, length), |index| {
        let (mut array, mut at) = (0, index[axis]);
        while at >= arrays[array].shape[axis] {
            at -= arrays[array].shape[axis];
            array += 1;
        }
        arrays[array].at(&with(index, axis, at))
    })
}

/// The elements at places along an axis.
fn take(array: &Array, axis: usize, places: &[usize]) -> Array {
    let shape = with(&array.shape, axis, places.len());
    Array::from_fn(array.dtype, &shape, |index| array.at(&with(index, axis, places[index[axis]])))
}

impl Reference for Concat {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        Ok(vec![concat(&promoted(inputs), place(self.axis, inputs[0].shape.len()))])
    }
}

impl Reference for Stack {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let axis = place(self.axis, inputs[0].shape.len() + 1);
        let mut shape = inputs[0].shape.clone();
        shape.insert(axis, 1);
        let inputs: Vec<Array> = promoted(inputs).iter().map(|input| input.reshaped(&shape)).collect();
        Ok(vec![concat(&inputs, axis)])
    }
}

impl Reference for Split {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let axis = place(self.axis, inputs[0].shape.len());
        let whole = inputs[0].shape[axis];
        let lengths: Vec<usize> = match &self.sections {
            Sections::Equal(parts) => vec![whole / parts; *parts],
            Sections::Lengths(lengths) => {
                let known: usize = lengths.iter().filter_map(|&length| usize::try_from(length).ok()).sum();
                lengths.iter().map(|&length| usize::try_from(length).unwrap_or(whole - known)).collect()
            }
        };
        let mut from = 0;
        let part = |length: usize| {
            let places: Vec<usize> = (from..from + length).collect();
            from += length;
            take(&inputs[0], axis, &places)
        };
        Ok(lengths.into_iter().map(part).collect())
    }
}

impl Reference for Tile {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let rank = inputs[0].shape.len().max(self.reps.len());
        let filled = |list: &[usize]| [vec![1; rank - list.len()], list.to_vec()].concat();
        let (input, reps) = (inputs[0].reshaped(&filled(&inputs[0].shape)), filled(&self.reps));
        let shape: Vec<usize> =
            input.shape.iter().zip(reps).map(|(length, reps)| length.saturating_mul(reps)).collect();
        let at = |index: &[usize]| {
            input.at(&index.iter().zip(&input.shape).map(|(at, length)| at % length).collect::<Vec<_>>())
        };
        Ok(vec![Array::from_fn(input.dtype, &shape, at)])
    }
}

impl Reference for Repeat {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let (array, axis) = inputs[0].along(self.axis);
        let times = |place: usize| match &self.repeats {
            Repeats::Each(times) => *times,
            Repeats::List(times) => times[place],
        };
        let places = (0..array.shape[axis]).flat_map(|place| std::iter::repeat_n(place, times(place)));
        Ok(vec![take(&array, axis, &places.collect::<Vec<_>>())])
    }
}

impl Reference for Foreach {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let each = super::definition(&self.each);
        let (count, shape) = (inputs[0].shape[0], &inputs[0].shape[1..]);
        let result = |place: usize| {
            let slice = take(&inputs[0], 0, &[place]).reshaped(shape);
            each.evaluate(&[slice])
        };
        let results: Vec<Vec<Array>> = (0..count).map(result).collect::<Result<_, _>>()?;
        Stack { axis: 0 }.evaluate(&results.concat())
    }
}
