//! Arrays.

use std::sync::Arc;

use crate::{DType, Number, OpError, Shape};

/// An array in row-major order without gaps. Copies share their elements.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Shape,
    data: Data,
}

/// The elements of an array. A bool is a byte, 0 or 1.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Bool(Arc<Vec<u8>>),
    I32(Arc<Vec<i32>>),
    I64(Arc<Vec<i64>>),
    F32(Arc<Vec<f32>>),
    F64(Arc<Vec<f64>>),
}

/// A type of elements as Rust has it; for bool it is `u8`.
pub trait Element: Copy + PartialEq + PartialOrd + Default + Send + Sync + std::fmt::Debug + 'static {
    const DTYPE: DType;

    fn data(elements: Vec<Self>) -> Data;

    /// The elements if they are of this type.
    fn of(data: &Data) -> Option<&[Self]>;

    /// The number, in the way of [`DType`]'s casts.
    fn from_number(number: Number) -> Self;

    fn to_number(self) -> Number;
}

macro_rules! element {
    ($type:ty, $variant:ident, $from:expr, $to:expr) => {
        impl Element for $type {
            const DTYPE: DType = DType::$variant;

            fn data(elements: Vec<Self>) -> Data {
                Data::$variant(Arc::new(elements))
            }

            fn of(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$variant(elements) => Some(elements),
                    _ => None,
                }
            }

            fn from_number(number: Number) -> Self {
                ($from)(number)
            }

            fn to_number(self) -> Number {
                ($to)(self)
            }
        }
    };
}
element!(u8, Bool, |number: Number| u8::from(number.is_true()), |value| Number::Bool(value != 0));
element!(i32, I32, i32_of, |value| Number::Int(i64::from(value)));
element!(i64, I64, Number::to_i64, Number::Int);
element!(f32, F32, f32_of, |value| Number::Float(f64::from(value)));
element!(f64, F64, Number::to_f64, Number::Float);

/// A float out of range becomes the nearest; of an integer the lower bits.
const fn i32_of(number: Number) -> i32 {
    match number {
        Number::Float(value) => value as i32,
        other => other.to_i64() as i32,
    }
}

/// Rounded once.
const fn f32_of(number: Number) -> f32 {
    match number {
        Number::Int(value) => value as f32,
        other => other.to_f64() as f32,
    }
}

/// Runs code with `T` as the Rust type of a [`DType`].
#[macro_export]
macro_rules! with_element {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool => {
                type $T = u8;
                $body
            }
            $crate::DType::I32 => {
                type $T = i32;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
        }
    };
}

impl Data {
    pub const fn dtype(&self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::I32(_) => DType::I32,
            Self::I64(_) => DType::I64,
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
        }
    }

    pub fn len(&self) -> usize {
        with_element!(self.dtype(), T => T::of(self).map_or(0, <[T]>::len))
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Tensor {
    /// # Errors
    /// The shape has another number of elements, or is too large.
    pub fn new(shape: impl Into<Shape>, data: Data) -> Result<Self, OpError> {
        let shape = shape.into();
        shape.check(data.dtype())?;
        match data.len() == shape.count() {
            true => Ok(Self { shape, data }),
            false => {
                Err(OpError(format!("the shape {shape} has {} elements, and there are {}", shape.count(), data.len())))
            }
        }
    }

    /// An array of these elements. The number of elements must be that of the shape.
    ///
    /// # Errors
    /// See [`Tensor::new`].
    pub fn from_vec<T: Element>(shape: impl Into<Shape>, elements: Vec<T>) -> Result<Self, OpError> {
        Self::new(shape, T::data(elements))
    }

    pub fn from_bools(shape: impl Into<Shape>, elements: &[bool]) -> Result<Self, OpError> {
        Self::from_vec(shape, elements.iter().map(|&element| u8::from(element)).collect())
    }

    pub fn scalar(number: Number, dtype: DType) -> Self {
        let data = with_element!(dtype, T => T::data(vec![T::from_number(number)]));
        Self { shape: Shape::scalar(), data }
    }

    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    pub const fn data(&self) -> &Data {
        &self.data
    }

    pub const fn dtype(&self) -> DType {
        self.data.dtype()
    }

    /// Bytes of all elements.
    pub fn bytes(&self) -> usize {
        self.data.len() * self.dtype().size()
    }

    /// The elements, if they are of this type.
    pub fn elements<T: Element>(&self) -> Option<&[T]> {
        T::of(&self.data)
    }

    /// The elements as numbers.
    pub fn numbers(&self) -> Vec<Number> {
        with_element!(self.dtype(), T => T::of(&self.data).unwrap_or_default().iter().map(|e| e.to_number()).collect())
    }
}
