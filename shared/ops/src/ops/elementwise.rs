//! How ops of single elements are written: a line each.

/// Defines ops without parameters whose result has the shape that their inputs are broadcast to.
macro_rules! elementwise {
    ($(
        $name:ident = $text:literal, $inputs:literal inputs, $bound:expr, $dtype:expr, $lower:expr; $meaning:literal
    )*) => {$(
        #[doc = $meaning]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {}

        impl $crate::Operator for $name {
            fn name(&self) -> &'static str {
                $text
            }

            fn meaning(&self) -> &'static str {
                $meaning
            }

            fn arity(&self) -> $crate::Arity {
                $crate::Arity::Exactly($inputs)
            }

            fn bound(&self) -> $crate::Bound {
                $bound
            }

            fn dtypes(&self, inputs: &[$crate::DType]) -> Result<Vec<$crate::DType>, $crate::OpError> {
                let dtype: fn(&[$crate::DType]) -> Result<$crate::DType, $crate::OpError> = $dtype;
                Ok(vec![dtype(inputs)?])
            }

            fn shapes(&self, inputs: &[$crate::Shape]) -> Result<Vec<Option<$crate::Shape>>, $crate::OpError> {
                Ok(vec![Some($crate::rule::broadcast(inputs)?)])
            }

            fn lower(
                &self,
                b: &mut $crate::lower::Builder,
                inputs: &[$crate::lower::Value],
            ) -> Result<Vec<$crate::lower::Value>, $crate::OpError> {
                type Lower = fn(
                    &mut $crate::lower::Builder,
                    &[$crate::lower::Value],
                ) -> Result<$crate::lower::Value, $crate::OpError>;
                let lower: Lower = $lower;
                Ok(vec![lower(b, inputs)?])
            }
        }
    )*};
}
pub(super) use elementwise;

use crate::lower::{Builder, Function, Value};
use crate::{DType, OpError, rule};

/// The function of all inputs, promoted to one type.
pub(super) fn promoted(b: &mut Builder, inputs: &[Value], function: Function) -> Result<Value, OpError> {
    let dtypes: Vec<DType> = inputs.iter().map(|&input| b.dtype(input)).collect();
    let dtype = rule::promoted(&dtypes);
    cast(b, inputs, dtype, function)
}

/// The function of all inputs, cast to a type.
pub(super) fn cast(b: &mut Builder, inputs: &[Value], dtype: DType, function: Function) -> Result<Value, OpError> {
    let inputs: Vec<Value> = inputs.iter().map(|&input| b.cast(input, dtype)).collect();
    b.map(function, &inputs)
}

/// The function of all inputs as floats.
pub(super) fn float(b: &mut Builder, inputs: &[Value], function: Function) -> Result<Value, OpError> {
    let dtypes: Vec<DType> = inputs.iter().map(|&input| b.dtype(input)).collect();
    cast(b, inputs, rule::promoted(&dtypes).to_float(), function)
}
