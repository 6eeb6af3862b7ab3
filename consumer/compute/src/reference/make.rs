//! Ops that make arrays of nothing.

use ops::ops::make::{Arange, Full, Ones, Zeros};
use ops::{DType, Number, OpError};

use super::array::cast;
use super::{Array, Reference};

impl Reference for Arange {
    fn evaluate(&self, _: &[Array]) -> Result<Vec<Array>, OpError> {
        let numbers = [self.start, self.step, self.stop];
        let own = |numbers: &[Number]| numbers.iter().map(|number| number.dtype()).fold(DType::I64, DType::promote);
        let count = match numbers {
            [Number::Int(start), Number::Int(step), Number::Int(stop)] => {
                let (distance, step) = (i128::from(stop) - i128::from(start), i128::from(step));
                let (distance, step) = if step > 0 { (distance, step) } else { (-distance, -step) };
                ((distance.max(0) + step - 1) / step) as usize
            }
            _ => {
                let [start, step, stop] = numbers.map(Number::to_f64);
                // A cast makes 0 of a negative number.
                libm::ceil((stop - start) / step) as usize
            }
        };
        let dtype = self.dtype.unwrap_or_else(|| own(&numbers));
        // In steps of the numbers' own arithmetic.
        let element = |n: usize| match own(&numbers[..2]) {
            DType::I64 => Number::Int(self.start.to_i64().wrapping_add(self.step.to_i64().wrapping_mul(n as i64))),
            _ => Number::Float(self.start.to_f64() + n as f64 * self.step.to_f64()),
        };
        Ok(vec![Array::from_fn(dtype, &[count], |index| cast(element(index[0]), dtype))])
    }
}

/// Arrays of one number.
macro_rules! constants {
    ($($name:ident: $number:expr, $dtype:expr;)*) => {$(
        impl Reference for $name {
            fn evaluate(&self, _: &[Array]) -> Result<Vec<Array>, OpError> {
                let (number, dtype): (fn(&Self) -> Number, fn(&Self) -> DType) = ($number, $dtype);
                let number = cast(number(self), dtype(self));
                Ok(vec![Array::from_fn(dtype(self), self.shape.lengths(), |_| number)])
            }
        }
    )*};
}

constants! {
    Zeros: |_| Number::Int(0), |op| op.dtype;
    Ones: |_| Number::Int(1), |op| op.dtype;
    Full: |op| op.value, |op| op.dtype.unwrap_or_else(|| op.value.dtype());
}
