//! Ops that move elements and change none.

use ops::ops::moves::{
    BroadcastTo, ExpandDims, Flatten, Ravel, Reshape, Reverse, ShapeOf, Size, Slice, Squeeze, Transpose,
};
use ops::{DType, Index, OpError, Part, Shape};

use super::array::{integer, place};
use super::{Array, Reference};

impl Reference for Reshape {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let lengths = self.shape.iter().map(|&length| usize::try_from(length));
        let known = lengths.clone().flatten().fold(1, usize::saturating_mul);
        let rest = inputs[0].elements.len().checked_div(known).unwrap_or_default();
        let lengths = lengths.map(|length| length.unwrap_or(rest));
        Ok(vec![inputs[0].reshaped(&lengths.collect::<Vec<_>>())])
    }
}

impl Reference for Flatten {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        Ok(vec![inputs[0].along(None).0])
    }
}

impl Reference for Ravel {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        Ok(vec![inputs[0].along(None).0])
    }
}

impl Reference for Transpose {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let input = &inputs[0];
        let rank = input.shape.len();
        let axes: Vec<usize> = match &self.axes {
            Some(axes) => axes.iter().map(|&axis| place(axis, rank)).collect(),
            None => (0..rank).rev().collect(),
        };
        let shape: Vec<usize> = axes.iter().map(|&axis| input.shape[axis]).collect();
        Ok(vec![Array::from_fn(input.dtype, &shape, |index| {
            let mut source = vec![0; rank];
            axes.iter().zip(index).for_each(|(&axis, &at)| source[axis] = at);
            input.at(&source)
        })])
    }
}

impl Reference for ExpandDims {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let mut shape = inputs[0].shape.clone();
        shape.insert(place(self.axis, shape.len() + 1), 1);
        Ok(vec![inputs[0].reshaped(&shape)])
    }
}

impl Reference for Squeeze {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let lengths = &inputs[0].shape;
        let axes = self.axis.places(&Shape::from(&lengths[..]))?;
        let stays = |axis: &usize| lengths[*axis] != 1 || !axes.contains(axis);
        let shape: Vec<usize> = (0..lengths.len()).filter(stays).map(|axis| lengths[axis]).collect();
        Ok(vec![inputs[0].reshaped(&shape)])
    }
}

impl Reference for BroadcastTo {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let input = &inputs[0];
        Ok(vec![Array::from_fn(input.dtype, self.shape.lengths(), |index| input.broadcast_at(index))])
    }
}

/// What an index takes of an array.
pub(super) struct Taken {
    /// The places along each axis of the array.
    places: Vec<Vec<usize>>,
    /// For each axis of what is taken the axis of the array, or none for a new one.
    axes: Vec<Option<usize>>,
}

impl Taken {
    pub fn new(index: &Index, shape: &[usize]) -> Self {
        let is_new = |part: &&Part| **part == Part::NEW_AXIS;
        let is_rest = |part: &Part| *part == Part::REST;
        // Each axis gets a part of its own.
        let mut parts = index.0.clone();
        let named = parts.iter().filter(|part| !is_new(part) && !is_rest(part)).count();
        let rest = parts.iter().position(is_rest).unwrap_or(parts.len());
        let whole = vec![Part::ALL; shape.len() - named];
        parts.splice(rest..parts.len().min(rest + 1), whole);
        let (mut places, mut axes) = (Vec::new(), Vec::new());
        for part in parts {
            let axis = places.len();
            match part {
                Part::Word(_) => axes.push(None),
                Part::At(number) => places.push(vec![place(number, shape[axis])]),
                Part::Range { from, to, step } => {
                    places.push(range(shape[axis], from, to, step));
                    axes.push(Some(axis));
                }
            }
        }
        Self { places, axes }
    }

    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.map_or(1, |axis| self.places[axis].len())).collect()
    }

    /// The index in the array of the element at an index of what is taken.
    pub fn source(&self, index: &[usize]) -> Vec<usize> {
        let mut source: Vec<usize> = self.places.iter().map(|places| places.first().copied().unwrap_or(0)).collect();
        for (axis, &at) in self.axes.iter().zip(index) {
            if let Some(axis) = *axis {
                source[axis] = self.places[axis][at];
            }
        }
        source
    }
}

/// The places of Python's `range(length)[from:to:step]`.
fn range(length: usize, from: Option<i64>, to: Option<i64>, step: i64) -> Vec<usize> {
    let (length, step) = (length as i128, i128::from(step));
    let (first, last) = if step > 0 { (0, length) } else { (length - 1, -1) };
    let bound = |end: i64| {
        let end = i128::from(end) + if end < 0 { length } else { 0 };
        end.clamp(first.min(last), first.max(last))
    };
    let (mut at, last) = (from.map_or(first, bound), to.map_or(last, bound));
    let mut places = Vec::new();
    while (step > 0 && at < last) || (step < 0 && at > last) {
        places.push(at as usize);
        at += step;
    }
    places
}

impl Reference for Slice {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let taken = Taken::new(&self.index, &inputs[0].shape);
        let at = |index: &[usize]| inputs[0].at(&taken.source(index));
        Ok(vec![Array::from_fn(inputs[0].dtype, &taken.shape(), at)])
    }
}

impl Reference for Reverse {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let input = &inputs[0];
        let axes = self.axis.places(&Shape::from(&input.shape[..]))?;
        Ok(vec![Array::from_fn(input.dtype, &input.shape, |index| {
            let mut source = index.to_vec();
            axes.iter().for_each(|&axis| source[axis] = input.shape[axis] - 1 - index[axis]);
            input.at(&source)
        })])
    }
}

impl Reference for ShapeOf {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        Ok(vec![Array::of_integers(inputs[0].shape.iter().copied())])
    }
}

impl Reference for Size {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        Ok(vec![Array::scalar(DType::I64, integer(inputs[0].elements.len()))])
    }
}
