//! Random numbers by Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as
//! 1, 2, 3, 2011). A seed gives the same draw on every kind of node.
//!
//! The words of a seed are those of the counters (n, 0, 0, 0), n = 0, 1, 2, ..., under the key (low
//! half, high half of the seed): four words a counter, in their order. NumPy's Philox is 4x64, so its
//! draws differ.

use super::described::{described, parameters};
use crate::lower::{Builder, Function, Value};
use crate::{Arity, Bound, DType, OpError, Operator, Shape, rule};

const fn single() -> DType {
    DType::F32
}

const fn one() -> f64 {
    1.0
}

fn float_only(dtype: DType) -> Result<Vec<DType>, OpError> {
    rule::refuse(&[dtype], |dtype| !dtype.is_float(), "float32 or float64 as its dtype")?;
    Ok(vec![dtype])
}

/// Words of 32 bits are drawn as int64, and two are needed for each float64.
fn check_draws(shape: &Shape) -> Result<Shape, OpError> {
    Shape::from([shape.count(), 2]).check(DType::I64)?;
    Ok(shape.clone())
}

/// Numbers k / 2^24 (float32) or k / 2^53 (float64) from 0 to before 1, each equally likely: k is the
/// upper bits of one word, or of two, the upper word first.
fn fractions(b: &mut Builder, key: u64, count: usize, dtype: DType) -> Result<Value, OpError> {
    if dtype == DType::F32 {
        let words = b.random_bits(key, count);
        let upper = b.with(Function::Shr, words, 8)?;
        let upper = b.cast(upper, DType::F32);
        return b.with(Function::Mul, upper, 2_f64.powi(-24));
    }
    let words = b.random_bits(key, 2 * count);
    let pairs = b.reshape(words, &Shape::from([count, 2]));
    let half = |b: &mut Builder, place: usize| {
        let half = b.narrow(pairs, 1, place, place + 1);
        b.reshape(half, &Shape::from([count]))
    };
    let (high, low) = (half(b, 0), half(b, 1));
    let high = b.with(Function::Shl, high, 21)?;
    let low = b.with(Function::Shr, low, 11)?;
    let bits = b.map(Function::Or, &[high, low])?;
    let bits = b.cast(bits, DType::F64);
    b.with(Function::Mul, bits, 2_f64.powi(-53))
}

parameters! {
    /// Uniform numbers.
    pub struct RandomUniform {
        pub shape: Shape,
        pub seed: u64,
        #[serde(default)]
        pub low: f64,
        #[serde(default = "one")]
        pub high: f64,
        #[serde(default = "single")]
        pub dtype: DType,
    }
}

impl Operator for RandomUniform {
    described! {
        "random_uniform", Arity::Exactly(0), Bound::Exact,
        "low + (high - low) u, u = k / 2^24 (float32) or k / 2^53 (float64) from 0 to before 1, by \
         Philox4x32-10 from `seed`: bit for bit the same on every kind of node."
    }

    fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
        float_only(self.dtype)
    }

    fn shapes(&self, _: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![Some(check_draws(&self.shape)?)])
    }

    fn lower(&self, b: &mut Builder, _: &[Value]) -> Result<Vec<Value>, OpError> {
        let fractions = fractions(b, self.seed, self.shape.count(), self.dtype)?;
        let spread = b.with(Function::Mul, fractions, self.high - self.low)?;
        let numbers = b.with(Function::Add, spread, self.low)?;
        Ok(vec![b.reshape(numbers, &self.shape)])
    }
}

parameters! {
    /// Normal numbers.
    pub struct RandomNormal {
        pub shape: Shape,
        pub seed: u64,
        #[serde(default)]
        pub mean: f64,
        #[serde(default = "one")]
        pub std: f64,
        #[serde(default = "single")]
        pub dtype: DType,
    }
}

impl Operator for RandomNormal {
    described! {
        "random_normal", Arity::Exactly(0), Bound::Largest { epsilons: 16.0 },
        "mean + std z, z normally distributed: sqrt(-2 log(1 - u)) cos(2 pi v) (Box and Muller, 1958) of two \
         uniform numbers each, first all u, then all v."
    }

    fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
        float_only(self.dtype)
    }

    fn shapes(&self, _: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        check_draws(&Shape::from([self.shape.count(), 2]))?;
        Ok(vec![Some(self.shape.clone())])
    }

    fn lower(&self, b: &mut Builder, _: &[Value]) -> Result<Vec<Value>, OpError> {
        let count = self.shape.count();
        let both = fractions(b, self.seed, 2 * count, self.dtype)?;
        let (u, v) = (b.narrow(both, 0, 0, count), b.narrow(both, 0, count, 2 * count));
        let one = b.number(1, self.dtype);
        // From above 0 to 1: its logarithm is finite.
        let rest = b.sub(one, u)?;
        let log = b.map(Function::Log, &[rest])?;
        let square = b.with(Function::Mul, log, -2)?;
        let radius = b.map(Function::Sqrt, &[square])?;
        let angle = b.with(Function::Mul, v, std::f64::consts::TAU)?;
        let cosine = b.map(Function::Cos, &[angle])?;
        let normal = b.mul(radius, cosine)?;
        let spread = b.with(Function::Mul, normal, self.std)?;
        let numbers = b.with(Function::Add, spread, self.mean)?;
        Ok(vec![b.reshape(numbers, &self.shape)])
    }
}

parameters! {
    /// Elements by chance.
    #[derive(Copy, Eq)]
    pub struct Sample {
        pub size: usize,
        pub seed: u64,
    }
}

impl Operator for Sample {
    described! {
        "sample", Arity::Exactly(1), Bound::Exact,
        "`size` elements of the flat array, each place at most once, in random order by `seed`: the places of \
         its sorted Philox words, `numpy.random.choice` without replacement."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(inputs.to_vec())
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        check_draws(&inputs[0])?;
        match self.size <= inputs[0].count() {
            true => Ok(vec![Some(Shape::from([self.size]))]),
            false => Err(OpError(format!("{} of {} elements cannot be taken", self.size, inputs[0].count()))),
        }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (flat, _) = b.along(inputs[0], None)?;
        let words = b.random_bits(self.seed, b.shape(flat).count());
        let (_, places) = b.sort(words);
        let places = b.narrow(places, 0, 0, self.size);
        Ok(vec![b.gather(flat, places, 0)])
    }
}
