//! Arrays of the reference: numbers with places.

use ops::Element as _;
use ops::{Axes, DType, Number, OpError, Shape, Tensor, with_element};

/// Elements as numbers, in row-major order. Floats of float32 may have the digits of float64: they are
/// rounded once, at the end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub elements: Vec<Number>,
}

impl Array {
    /// Integers wrap to the width of the type here, so that ops may compute in int64.
    pub fn new(dtype: DType, shape: &[usize], elements: Vec<Number>) -> Self {
        let wrapped = |element| match (element, dtype) {
            (Number::Int(value), DType::I32) => Number::Int(i64::from(value as i32)),
            _ => element,
        };
        Self { dtype, shape: shape.to_vec(), elements: elements.into_iter().map(wrapped).collect() }
    }

    pub fn of(tensor: &Tensor) -> Self {
        Self::new(tensor.dtype(), tensor.shape().lengths(), tensor.numbers())
    }

    /// An array whose elements follow from their indices.
    pub fn from_fn(dtype: DType, shape: &[usize], mut element: impl FnMut(&[usize]) -> Number) -> Self {
        Self::new(dtype, shape, indices(shape).map(|index| element(&index)).collect())
    }

    pub fn scalar(dtype: DType, element: Number) -> Self {
        Self::new(dtype, &[], vec![element])
    }

    /// An array of one axis, of int64.
    pub fn of_integers(elements: impl IntoIterator<Item = usize>) -> Self {
        let elements: Vec<Number> = elements.into_iter().map(integer).collect();
        Self::new(DType::I64, &[elements.len()], elements)
    }

    /// The element at an index.
    pub fn at(&self, index: &[usize]) -> Number {
        self.elements[flat(&self.shape, index)]
    }

    /// The element that an array of a shape that this one is broadcast to has at an index.
    pub fn broadcast_at(&self, index: &[usize]) -> Number {
        let own = index[index.len() - self.shape.len()..].iter().zip(&self.shape);
        let own: Vec<usize> = own.map(|(&at, &length)| if length == 1 { 0 } else { at }).collect();
        self.at(&own)
    }

    /// The same elements as numbers of another type, by NumPy's casts.
    pub fn cast(&self, dtype: DType) -> Self {
        Self::new(dtype, &self.shape, self.elements.iter().map(|&element| cast(element, dtype)).collect())
    }

    /// The same elements in their order with another shape.
    pub fn reshaped(&self, shape: &[usize]) -> Self {
        Self::new(self.dtype, shape, self.elements.clone())
    }

    /// Along one axis: the flat array if none is named.
    pub fn along(&self, axis: Option<i64>) -> (Self, usize) {
        match axis {
            Some(axis) => (self.clone(), place(axis, self.shape.len())),
            None => (self.reshaped(&[self.elements.len()]), 0),
        }
    }

    /// For each line of elements along axes (in row-major order, if there are several) one element.
    pub fn fold(
        &self,
        axes: &Axes,
        keepdims: bool,
        dtype: DType,
        mut fold: impl FnMut(&[Number]) -> Number,
    ) -> Result<Self, OpError> {
        let axes = axes.places(&Shape::from(&self.shape[..]))?;
        let part = |in_line: bool| -> Vec<usize> {
            let length = |(axis, &length): (usize, &usize)| if axes.contains(&axis) == in_line { length } else { 1 };
            self.shape.iter().enumerate().map(length).collect()
        };
        let (kept, line) = (part(false), part(true));
        let element = |index: &[usize]| {
            let at = |place: Vec<usize>| self.at(&index.iter().zip(place).map(|(x, y)| x + y).collect::<Vec<_>>());
            fold(&indices(&line).map(at).collect::<Vec<_>>())
        };
        let mut folded = Self::from_fn(dtype, &kept, element);
        if !keepdims {
            folded.shape = (0..kept.len()).filter(|axis| !axes.contains(axis)).map(|axis| kept[axis]).collect();
        }
        Ok(folded)
    }

    /// For each line of elements along one axis another of the same length.
    pub fn lines(&self, axis: usize, dtype: DType, mut line: impl FnMut(&[Number]) -> Vec<Number>) -> Self {
        let mut elements = self.elements.clone();
        for start in indices(&with(&self.shape, axis, 1)) {
            let place = |at: usize| flat(&self.shape, &with(&start, axis, at));
            let places: Vec<usize> = (0..self.shape[axis]).map(place).collect();
            let old: Vec<Number> = places.iter().map(|&place| self.elements[place]).collect();
            for (place, element) in places.into_iter().zip(line(&old)) {
                elements[place] = element;
            }
        }
        Self::new(dtype, &self.shape, elements)
    }

    /// As a tensor; each number is rounded to the type once.
    pub fn tensor(self, dtype: DType) -> Result<Tensor, OpError> {
        let shape = Shape::new(self.shape);
        with_element!(dtype, T => Tensor::from_vec(shape, self.elements.iter().map(|&n| T::from_number(n)).collect()))
    }
}

/// A function of the elements of all inputs in the same place, broadcast together.
pub(super) fn map(inputs: &[Array], dtype: DType, mut function: impl FnMut(&[Number]) -> Number) -> Array {
    let shape = broadcast(inputs);
    Array::from_fn(dtype, &shape, |index| {
        let elements: Vec<Number> = inputs.iter().map(|input| input.broadcast_at(index)).collect();
        function(&elements)
    })
}

/// The shape that all are broadcast to: of each axis the length that is not 1, if there is one.
fn broadcast(inputs: &[Array]) -> Vec<usize> {
    let rank = inputs.iter().map(|input| input.shape.len()).max().unwrap_or(0);
    let length = |axis: usize| {
        let own = |input: &Array| Some(input.shape[(axis + input.shape.len()).checked_sub(rank)?]);
        inputs.iter().filter_map(own).find(|&length| length != 1).unwrap_or(1)
    };
    (0..rank).map(length).collect()
}

/// The inputs as arrays of the type that they are promoted to.
pub(super) fn promoted(inputs: &[Array]) -> Vec<Array> {
    let dtype = inputs.iter().map(|input| input.dtype).reduce(DType::promote).unwrap_or(DType::F64);
    inputs.iter().map(|input| input.cast(dtype)).collect()
}

/// A number as an element of a type, by NumPy's casts. Where NumPy leaves it open, what is out of range
/// is the nearest integer, and NaN is 0.
pub(super) fn cast(number: Number, dtype: DType) -> Number {
    match (dtype, number) {
        (DType::Bool, _) => Number::Bool(number.is_true()),
        (DType::I32, Number::Float(value)) => Number::Int(i64::from(value as i32)),
        (DType::I32, _) => Number::Int(i64::from(number.to_i64() as i32)),
        (DType::I64, _) => Number::Int(number.to_i64()),
        // Not through float64, which would round twice.
        (DType::F32, Number::Int(value)) => Number::Float(f64::from(value as f32)),
        (DType::F32 | DType::F64, _) => Number::Float(rounded(number.to_f64(), dtype)),
    }
}

/// What a step of float arithmetic gives in a type. For + - * / and square roots of float32 it is the
/// same to round what float64 gives: float64 has more than twice the digits.
pub(super) fn rounded(value: f64, dtype: DType) -> f64 {
    if dtype == DType::F32 { f64::from(value as f32) } else { value }
}

pub(super) fn integer(value: usize) -> Number {
    Number::Int(value as i64)
}

pub(super) fn is_nan(number: Number) -> bool {
    matches!(number, Number::Float(value) if value.is_nan())
}

/// All indices of a shape in row-major order.
pub(super) fn indices(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    let count = if shape.contains(&0) { 0 } else { shape.iter().product() };
    let shape = shape.to_vec();
    (0..count).map(move |mut place: usize| {
        let mut index = vec![0; shape.len()];
        for axis in (0..shape.len()).rev() {
            index[axis] = place % shape[axis];
            place /= shape[axis];
        }
        index
    })
}

/// The place of an index in row-major order.
pub(super) fn flat(shape: &[usize], index: &[usize]) -> usize {
    shape.iter().zip(index).fold(0, |place, (length, at)| place * length + at)
}

/// A shape or an index with another number for one axis.
pub(super) fn with(lengths: &[usize], axis: usize, length: usize) -> Vec<usize> {
    let mut lengths = lengths.to_vec();
    lengths[axis] = length;
    lengths
}

/// The place of an axis, or of an index, that is counted from the end if it is negative.
pub(super) fn place(number: i64, length: usize) -> usize {
    if number < 0 { length - number.unsigned_abs() as usize } else { number as usize }
}

/// Defines ops without parameters. `$of` gives the type that the inputs are cast to, from the one that
/// they are promoted to; `$to` gives the type of the result from that; the function knows that as well.
macro_rules! elementwise {
    ($family:ident, $of:expr, $to:expr; $($name:ident: $function:expr;)*) => {$(
        impl $crate::reference::Reference for ops::ops::$family::$name {
            fn evaluate(
                &self,
                inputs: &[$crate::reference::Array],
            ) -> Result<Vec<$crate::reference::Array>, ops::OpError> {
                let (of, to): (fn(ops::DType) -> ops::DType, fn(ops::DType) -> ops::DType) = ($of, $to);
                let function: fn(&[ops::Number], ops::DType) -> ops::Number = $function;
                let promoted = $crate::reference::array::promoted(inputs);
                let dtype = of(promoted[0].dtype);
                let inputs: Vec<_> = promoted.iter().map(|input| input.cast(dtype)).collect();
                Ok(vec![$crate::reference::array::map(&inputs, to(dtype), |elements| function(elements, dtype))])
            }
        }
    )*};
}
pub(super) use elementwise;
