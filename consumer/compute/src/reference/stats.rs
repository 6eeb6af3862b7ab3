//! Statistics along axes.

use ops::Number::{self, Float};
use ops::ops::stats::{Average, Mean, Median, Mode, Percentile, Std, Variance};
use ops::{Axes, DType, OpError};

use super::array::{map, promoted};
use super::compare::equal;
use super::fold::{Total, sum};
use super::sorted::order;
use super::{Array, Reference};

/// Of the elements along axes as floats.
macro_rules! statistics {
    ($($name:ty: $of:expr;)*) => {$(
        impl Reference for $name {
            fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
                let of: fn(&Self, &[Number]) -> f64 = $of;
                let floats = inputs[0].cast(inputs[0].dtype.to_float());
                Ok(vec![floats.fold(&self.axis, self.keepdims, floats.dtype, |elements| Float(of(self, elements)))?])
            }
        }
    )*};
}

statistics! {
    Mean: |_, elements| mean(elements);
    Variance: |op, elements| variance(elements, op.ddof);
    Std: |op, elements| libm::sqrt(variance(elements, op.ddof));
    Median: |_, elements| median(elements);
    Percentile: |op, elements| percentile(elements, op.q);
}

/// NaN of no elements.
fn mean(elements: &[Number]) -> f64 {
    sum(elements, DType::F64).to_f64() / elements.len() as f64
}

/// The mean that is taken is rounded. What that adds to the squares is what the distances' sum, which
/// would be 0, has as its own square (Chan, Golub, LeVeque, 1983).
fn variance(elements: &[Number], ddof: f64) -> f64 {
    let mean = mean(elements);
    let (mut squares, mut distances) = (Total::new(DType::F64), Total::new(DType::F64));
    for element in elements {
        let distance = Float(element.to_f64() - mean);
        squares.add_product(distance, distance);
        distances.add(distance);
    }
    let count = elements.len() as f64;
    let rest = distances.number().to_f64();
    let squares = squares.number().to_f64() - rest * rest / count;
    (if squares < 0.0 { 0.0 } else { squares }) / (count - ddof).max(0.0)
}

/// The floats in ascending order, or none if one is NaN.
fn sorted(elements: &[Number]) -> Option<Vec<f64>> {
    let mut sorted: Vec<f64> = elements.iter().map(|element| element.to_f64()).collect();
    sorted.sort_by(f64::total_cmp);
    (!sorted.iter().any(|element| element.is_nan())).then_some(sorted)
}

fn median(elements: &[Number]) -> f64 {
    let Some(sorted) = sorted(elements) else { return f64::NAN };
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        return sorted[middle];
    }
    let (low, high) = (sorted[middle - 1], sorted[middle]);
    // The sum may be too large where the mean is not.
    if (low + high).is_finite() { (low + high) / 2.0 } else { low / 2.0 + high / 2.0 }
}

/// NumPy's method "linear": from the nearer neighbour on, which decides where one is infinite.
fn percentile(elements: &[Number], q: f64) -> f64 {
    let Some(sorted) = sorted(elements) else { return f64::NAN };
    let place = q / 100.0 * (sorted.len() - 1) as f64;
    let (before, part) = (libm::floor(place), place - libm::floor(place));
    let low = sorted[before as usize];
    // An element itself, also where the next one is infinite.
    if part == 0.0 {
        return low;
    }
    let high = sorted[before as usize + 1];
    if part < 0.5 { low + (high - low) * part } else { high - (high - low) * (1.0 - part) }
}

impl Reference for Average {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let [values, weights] = &promoted(inputs)[..] else {
            return Mean { axis: self.axis.clone(), keepdims: self.keepdims }.evaluate(inputs);
        };
        let (dtype, both) = (values.dtype.to_float(), [values.clone(), weights.clone()]);
        let total = |of: fn(&[Number]) -> f64| {
            let terms = map(&both, dtype, |x| Float(of(x)));
            terms.fold(&self.axis, self.keepdims, dtype, |terms| sum(terms, dtype))
        };
        let (products, weight) = (total(|x| x[0].to_f64() * x[1].to_f64())?, total(|x| x[1].to_f64())?);
        Ok(vec![map(&[products, weight], dtype, |x| Float(x[0].to_f64() / x[1].to_f64()))])
    }
}

impl Reference for Mode {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let mode = |elements: &[Number]| {
            // NaN is equal to none, and occurs once.
            let count = |x: Number| elements.iter().filter(|&&y| equal(x, y)).count().max(1);
            let better = |x: Number, y: Number| match count(y).cmp(&count(x)) {
                std::cmp::Ordering::Equal if order(y, x).is_lt() => y,
                std::cmp::Ordering::Greater => y,
                _ => x,
            };
            elements.iter().copied().reduce(better).unwrap_or(Float(f64::NAN))
        };
        Ok(vec![inputs[0].fold(&Axes::from(self.axis), false, inputs[0].dtype, mode)?])
    }
}
