//! The reference: every op as its definition says it, element by element, in float64. It decides what
//! is right, and is meant to be read, not to be fast. It never uses the primitives or `define`, so
//! that tests of an engine against it test the lowering as well.

mod arithmetic;
mod array;
mod compare;
mod fold;
mod join;
mod linear;
mod logic;
mod make;
mod math;
mod moves;
mod pad;
mod random;
mod select;
mod sorted;
mod stats;
#[cfg(test)]
mod tests;
mod windows;

use ops::{Op, OpError, Operator, Tensor};

use self::array::Array;

/// An op's definition.
trait Reference: Operator {
    /// The results for inputs that the op's rules accept.
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError>;
}

macro_rules! dispatch {
    ($($group:ident { $($name:ident)* })*) => {
        fn definition(op: &Op) -> &dyn Reference {
            match op {
                $($(Op::$name(op) => op,)*)*
            }
        }
    };
}
ops::operators!(dispatch);

/// The results of an op.
///
/// # Errors
/// The inputs do not fit the op, or it fails for their elements.
pub fn evaluate(op: &Op, inputs: &[Tensor]) -> Result<Vec<Tensor>, OpError> {
    let types: Vec<_> = inputs.iter().map(|input| (input.dtype(), Some(input.shape().clone()))).collect();
    let types = op.types(&types)?;
    let inputs: Vec<Array> = inputs.iter().map(Array::of).collect();
    let results = definition(op).evaluate(&inputs)?;
    results.into_iter().zip(types).map(|(result, (dtype, _))| result.tensor(dtype)).collect()
}
