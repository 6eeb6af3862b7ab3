//! Ops that fold elements along axes.

use ops::Number::{self, Bool, Float, Int};
use ops::ops::fold;
use ops::{Axes, DType, OpError};

use super::arithmetic::{larger, smaller};
use super::array::{integer, is_nan};
use super::compare::less;
use super::{Array, Reference};

/// A sum that grows. Of bools it is whether one holds, integers wrap around. Of floats, what each
/// addition and each product rounds away is summed as well (Neumaier, 1974; Ogita, Rump, Oishi, 2005):
/// the reference should be better than what it judges.
#[derive(Debug, Clone, Copy)]
pub(super) enum Total {
    Truth(bool),
    Whole(i64),
    Float { sum: f64, lost: f64 },
}

impl Total {
    pub fn new(dtype: DType) -> Self {
        match dtype {
            DType::Bool => Self::Truth(false),
            DType::I32 | DType::I64 => Self::Whole(0),
            DType::F32 | DType::F64 => Self::Float { sum: 0.0, lost: 0.0 },
        }
    }

    pub fn add(&mut self, term: Number) {
        match self {
            Self::Truth(holds) => *holds |= term.is_true(),
            Self::Whole(sum) => *sum = sum.wrapping_add(term.to_i64()),
            Self::Float { sum, lost } => {
                let term = term.to_f64();
                let next = *sum + term;
                *lost += if sum.abs() >= term.abs() { (*sum - next) + term } else { (term - next) + *sum };
                *sum = next;
            }
        }
    }

    pub fn add_product(&mut self, x: Number, y: Number) {
        match self {
            Self::Truth(holds) => *holds |= x.is_true() && y.is_true(),
            Self::Whole(sum) => *sum = sum.wrapping_add(x.to_i64().wrapping_mul(y.to_i64())),
            Self::Float { .. } => {
                let (x, y) = (x.to_f64(), y.to_f64());
                let product = x * y;
                self.add(Float(product));
                self.add(Float(if product.is_finite() { libm::fma(x, y, -product) } else { 0.0 }));
            }
        }
    }

    pub fn number(self) -> Number {
        match self {
            Self::Truth(holds) => Bool(holds),
            Self::Whole(sum) => Int(sum),
            // Of infinities there is no rest.
            Self::Float { sum, lost } => Float(if sum.is_finite() { sum + lost } else { sum }),
        }
    }
}

/// The sum of numbers in the arithmetic of a type.
pub(super) fn sum(terms: &[Number], dtype: DType) -> Number {
    let mut total = Total::new(dtype);
    terms.iter().for_each(|&term| total.add(term));
    total.number()
}

/// As [`Total`], what each product of floats rounds away is kept beside.
fn product(factors: &[Number], dtype: DType) -> Number {
    if !dtype.is_float() {
        return Int(factors.iter().fold(1, |product, factor| product.wrapping_mul(factor.to_i64())));
    }
    let (mut product, mut lost) = (1.0_f64, 0.0);
    for factor in factors.iter().map(|factor| factor.to_f64()) {
        let next = product * factor;
        lost = lost * factor + libm::fma(product, factor, -next);
        product = next;
    }
    Float(if (product + lost).is_finite() { product + lost } else { product })
}

/// The place of the first element that comes before all others, by an order in which NaN is first.
fn first(elements: &[Number], is_before: fn(Number, Number) -> bool) -> Number {
    let place = (0..elements.len()).reduce(|best, place| {
        let (x, y) = (elements[place], elements[best]);
        if !is_nan(y) && (is_nan(x) || is_before(x, y)) { place } else { best }
    });
    integer(place.unwrap_or_default())
}

/// What each makes of the elements along its axes.
macro_rules! folds {
    ($($name:ident: $dtype:expr, $fold:expr;)*) => {$(
        impl Reference for fold::$name {
            fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
                let dtype: fn(DType) -> DType = $dtype;
                let fold: fn(&[Number], DType) -> Number = $fold;
                let dtype = dtype(inputs[0].dtype);
                let axes = Axes::from(self.axis.clone());
                Ok(vec![inputs[0].fold(&axes, self.keepdims, dtype, |elements| fold(elements, dtype))?])
            }
        }
    )*};
}

/// An element of the rules' non-empty lines, by a choice between two.
fn chosen(elements: &[Number], choose: fn(Number, Number) -> Number) -> Number {
    elements.iter().copied().reduce(choose).unwrap_or(Float(f64::NAN))
}

folds! {
    Sum: DType::to_sum, sum;
    Prod: DType::to_sum, product;
    Min: |dtype| dtype, |elements, _| chosen(elements, smaller);
    Max: |dtype| dtype, |elements, _| chosen(elements, larger);
    Any: |_| DType::Bool, |elements, _| Bool(elements.iter().any(|element| element.is_true()));
    All: |_| DType::Bool, |elements, _| Bool(elements.iter().all(|element| element.is_true()));
    Argmin: |_| DType::I64, |elements, _| first(elements, less);
    Argmax: |_| DType::I64, |elements, _| first(elements, |x, y| less(y, x));
}

impl Reference for fold::Cumsum {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let dtype = inputs[0].dtype.to_sum();
        let (array, axis) = inputs[0].along(self.axis);
        Ok(vec![array.lines(axis, dtype, |line| {
            let mut total = Total::new(dtype);
            let next = |&term: &Number| {
                total.add(term);
                total.number()
            };
            line.iter().map(next).collect()
        })])
    }
}

/// x - max of a line, and the sum of the powers of that.
fn centered(line: &[Number]) -> (Vec<f64>, f64) {
    let largest = line.iter().map(|x| Float(x.to_f64())).fold(Float(f64::NEG_INFINITY), larger).to_f64();
    let centered: Vec<f64> = line.iter().map(|x| x.to_f64() - largest).collect();
    let powers: Vec<Number> = centered.iter().map(|&x| Float(libm::exp(x))).collect();
    (centered, sum(&powers, DType::F64).to_f64())
}

macro_rules! softmaxes {
    ($($name:ident: $function:expr;)*) => {$(
        impl Reference for fold::$name {
            fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
                let function: fn(f64, f64) -> f64 = $function;
                let (array, axis) = inputs[0].along(Some(self.axis));
                Ok(vec![array.lines(axis, array.dtype.to_float(), |line| {
                    let (centered, sum) = centered(line);
                    centered.into_iter().map(|x| Float(function(x, sum))).collect()
                })])
            }
        }
    )*};
}

softmaxes! {
    Softmax: |x, sum| libm::exp(x) / sum;
    LogSoftmax: |x, sum| x - libm::log(sum);
}
