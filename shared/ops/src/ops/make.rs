//! Ops that make arrays of nothing.

use super::described::{described, parameters};
use crate::lower::{Builder, Value};
use crate::{Arity, Bound, DType, Number, OpError, Operator, Shape};

parameters! {
    /// Numbers in equal steps.
    pub struct Arange {
        #[serde(default = "zero")]
        pub start: Number,
        pub stop: Number,
        #[serde(default = "one")]
        pub step: Number,
        /// None: that of the numbers.
        #[serde(default)]
        pub dtype: Option<DType>,
    }
}

const fn zero() -> Number {
    Number::Int(0)
}

const fn one() -> Number {
    Number::Int(1)
}

impl Arange {
    fn dtype(&self) -> DType {
        let all = [self.start, self.stop, self.step].map(Number::dtype);
        self.dtype.unwrap_or_else(|| all.into_iter().fold(DType::I64, DType::promote))
    }

    fn count(&self) -> Result<usize, OpError> {
        if let (Number::Int(start), Number::Int(stop), Number::Int(step)) = (self.start, self.stop, self.step) {
            let step = i128::from(step);
            if step == 0 {
                return Err(OpError::new("the step is 0"));
            }
            let distance = i128::from(stop) - i128::from(start);
            let count = (distance + step - step.signum()) / step;
            return Ok(usize::try_from(count.max(0)).unwrap_or(usize::MAX));
        }
        let count = ((self.stop.to_f64() - self.start.to_f64()) / self.step.to_f64()).ceil();
        if count.is_nan() || self.step.to_f64() == 0.0 {
            return Err(OpError::new("the step is 0, or a bound is no number"));
        }
        // A cast saturates, and too many are refused.
        Ok(count.max(0.0) as usize)
    }
}

impl Operator for Arange {
    described! {
        "arange", Arity::Exactly(0), Bound::Exact,
        "`start` (0), `start + step`, ... before `stop`, `numpy.arange`: int64 if all are integers, else \
         float64, or `dtype`. Element n is start + n step."
    }

    fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
        match self.dtype() {
            DType::Bool => Err(OpError::new("it gives numbers, not bool")),
            dtype => Ok(vec![dtype]),
        }
    }

    fn shapes(&self, _: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let shape = Shape::from([self.count()?]);
        // Of the places as well, which are int64.
        shape.check(DType::I64)?;
        Ok(vec![Some(shape)])
    }

    fn lower(&self, b: &mut Builder, _: &[Value]) -> Result<Vec<Value>, OpError> {
        let own = [self.start, self.step].map(Number::dtype).into_iter().fold(DType::I64, DType::promote);
        let places = b.iota(self.count()?);
        let places = b.cast(places, own);
        let (start, step) = (b.number(self.start, own), b.number(self.step, own));
        let steps = b.mul(places, step)?;
        let numbers = b.add2(steps, start)?;
        Ok(vec![b.cast(numbers, self.dtype())])
    }
}

/// An array of one number.
macro_rules! constants {
    ($($name:ident = $text:literal, $number:literal; $meaning:literal)*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Eq)]
            pub struct $name {
                pub shape: Shape,
                #[serde(default = "float")]
                pub dtype: DType,
            }
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(0), Bound::Exact, $meaning }

            fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
                Ok(vec![self.dtype])
            }

            fn shapes(&self, _: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                Ok(vec![Some(self.shape.clone())])
            }

            fn lower(&self, b: &mut Builder, _: &[Value]) -> Result<Vec<Value>, OpError> {
                Ok(vec![b.full($number, self.dtype, &self.shape)])
            }
        }
    )*};
}

const fn float() -> DType {
    DType::F64
}

constants! {
    Zeros = "zeros", 0; "Zeros of `shape` and `dtype` (float64), `numpy.zeros`."
    Ones = "ones", 1; "Ones of `shape` and `dtype` (float64), `numpy.ones`."
}

parameters! {
    /// An array of one number.
    pub struct Full {
        pub shape: Shape,
        pub value: Number,
        /// None: that of the value.
        #[serde(default)]
        pub dtype: Option<DType>,
    }
}

impl Full {
    fn dtype(&self) -> DType {
        self.dtype.unwrap_or_else(|| self.value.dtype())
    }
}

impl Operator for Full {
    described! {
        "full", Arity::Exactly(0), Bound::Exact,
        "`value` in every place of `shape`, of its own type or `dtype`, `numpy.full`."
    }

    fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(vec![self.dtype()])
    }

    fn shapes(&self, _: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![Some(self.shape.clone())])
    }

    fn lower(&self, b: &mut Builder, _: &[Value]) -> Result<Vec<Value>, OpError> {
        Ok(vec![b.full(self.value, self.dtype(), &self.shape)])
    }
}
