//! Elements around an array.

use ops::OpError;
use ops::ops::pad::{Pad, PadMode};

use super::array::cast;
use super::{Array, Reference};

/// The place along an axis that a place, counted from its start, takes its element from; none for the
/// value of mode `constant`.
fn source(mode: PadMode, mut at: i64, length: i64) -> Option<i64> {
    let last = length - 1;
    match mode {
        PadMode::Constant => (0..length).contains(&at).then_some(at),
        PadMode::Edge => Some(at.clamp(0, last)),
        // One element is its own mirror.
        PadMode::Reflect if last == 0 => Some(0),
        PadMode::Reflect => {
            // From one mirror to the other until it is between them.
            while !(0..=last).contains(&at) {
                at = if at < 0 { -at } else { 2 * last - at };
            }
            Some(at)
        }
    }
}

impl Reference for Pad {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let input = &inputs[0];
        let value = cast(self.value, input.dtype);
        let around = input.shape.iter().zip(&self.widths);
        let padded =
            |(length, &(before, after)): (&usize, &(usize, usize))| length.saturating_add(before).saturating_add(after);
        let shape: Vec<usize> = around.map(padded).collect();
        let element = |index: &[usize]| {
            let place = |(axis, &at): (usize, &usize)| {
                let at = at as i64 - self.widths[axis].0 as i64;
                source(self.mode, at, input.shape[axis] as i64).map(|at| at as usize)
            };
            let places: Option<Vec<usize>> = index.iter().enumerate().map(place).collect();
            places.map_or(value, |places| input.at(&places))
        };
        Ok(vec![Array::from_fn(input.dtype, &shape, element)])
    }
}
