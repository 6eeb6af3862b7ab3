//! Statistics along axes.

use super::described::{described, parameters};
use crate::lower::{Builder, Fold, Function, Value};
use crate::{Arity, Axes, Bound, DType, OpError, Operator, Shape, rule};

fn fraction(inputs: &[DType]) -> Vec<DType> {
    vec![rule::promoted(inputs).to_float()]
}

fn folded(axis: &Axes, keepdims: bool, shape: &Shape, needs_elements: bool) -> Result<Vec<Option<Shape>>, OpError> {
    let axes = axis.places(shape)?;
    if needs_elements {
        rule::not_empty(shape, &axes)?;
    }
    Ok(vec![Some(shape.without(&axes, keepdims))])
}

fn float(b: &mut Builder, value: Value) -> Value {
    b.cast(value, b.dtype(value).to_float())
}

parameters! {
    /// Mean.
    #[derive(Default)]
    pub struct Mean {
        #[serde(default)]
        pub axis: Axes,
        #[serde(default)]
        pub keepdims: bool,
    }
}

impl Operator for Mean {
    described! {
        "mean", Arity::Exactly(1), Bound::Sum { factor: 1.0 },
        "Sum of the elements along `axis` divided by their number, `numpy.mean`: float64 of integers and bools, \
         NaN of none."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(fraction(inputs))
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        folded(&self.axis, self.keepdims, &inputs[0], false)
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let shape = b.shape(inputs[0]).clone();
        let axes = self.axis.places(&shape)?;
        let value = float(b, inputs[0]);
        let mean = b.mean(value, &axes)?;
        Ok(vec![b.keep_axes(mean, &shape, &axes, self.keepdims)])
    }
}

parameters! {
    /// Weighted mean.
    #[derive(Default)]
    pub struct Average {
        #[serde(default)]
        pub axis: Axes,
        #[serde(default)]
        pub keepdims: bool,
    }
}

impl Operator for Average {
    described! {
        "average", Arity::Between(1, 2), Bound::Sum { factor: 2.0 },
        "sum(x w) / sum(w) along `axis`, where w is the second input, broadcast to the first; without it the \
         mean, `numpy.average`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(fraction(inputs))
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        if let [shape, weights] = inputs
            && shape.broadcast(weights)? != *shape
        {
            return Err(OpError(format!("weights of the shape {weights} do not fit elements of the shape {shape}")));
        }
        folded(&self.axis, self.keepdims, &inputs[0], false)
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let Some(&weights) = inputs.get(1) else {
            return Mean { axis: self.axis.clone(), keepdims: self.keepdims }.lower(b, inputs);
        };
        let shape = b.shape(inputs[0]).clone();
        let axes = self.axis.places(&shape)?;
        let dtype = b.dtype(inputs[0]).promote(b.dtype(weights)).to_float();
        let (value, weights) = (b.cast(inputs[0], dtype), b.cast(weights, dtype));
        let weights = b.broadcast(weights, &shape);
        let products = b.mul(value, weights)?;
        let (sum, weight) = (b.reduce(Fold::Sum, products, &axes), b.reduce(Fold::Sum, weights, &axes));
        let average = b.div(sum, weight)?;
        Ok(vec![b.keep_axes(average, &shape, &axes, self.keepdims)])
    }
}

/// The mean of the squared distances from the mean, with `ddof` taken from the number of elements.
fn variance(b: &mut Builder, input: Value, axis: &Axes, ddof: f64, keepdims: bool) -> Result<Value, OpError> {
    let shape = b.shape(input).clone();
    let axes = axis.places(&shape)?;
    let value = float(b, input);
    let mean = b.mean(value, &axes)?;
    let mean = b.keep_axes(mean, &shape, &axes, true);
    let distance = b.sub(value, mean)?;
    let squares = b.mul(distance, distance)?;
    let sum = b.reduce(Fold::Sum, squares, &axes);
    let count: usize = axes.iter().map(|&axis| shape.lengths()[axis]).product();
    let variance = b.with(Function::Div, sum, (count as f64 - ddof).max(0.0))?;
    Ok(b.keep_axes(variance, &shape, &axes, keepdims))
}

macro_rules! spreads {
    ($($name:ident = $text:literal, $lower:expr; $meaning:literal)*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Default)]
            pub struct $name {
                #[serde(default)]
                pub axis: Axes,
                #[serde(default)]
                pub keepdims: bool,
                /// Taken from the number of elements that is divided by: 0 for a population, 1 for a sample.
                #[serde(default)]
                pub ddof: f64,
            }
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(1), Bound::Sum { factor: 4.0 }, $meaning }

            fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
                Ok(fraction(inputs))
            }

            fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                folded(&self.axis, self.keepdims, &inputs[0], false)
            }

            fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
                let variance = variance(b, inputs[0], &self.axis, self.ddof, self.keepdims)?;
                let lower: fn(&mut Builder, Value) -> Result<Value, OpError> = $lower;
                Ok(vec![lower(b, variance)?])
            }
        }
    )*};
}

spreads! {
    Variance = "variance", |_, variance| Ok(variance);
    "Mean of the squared distances from the mean along `axis`, `numpy.var`: of the population, or with `ddof` 1 \
     of a sample. NaN of none."
    Std = "std", |b, variance| b.map(Function::Sqrt, &[variance]);
    "Square root of the variance, `numpy.std`."
}

/// What lies between two neighbours, at a fraction of their distance.
type Between = fn(&mut Builder, Value, Value, f64) -> Result<Value, OpError>;

/// From the nearer neighbour on, as NumPy: the other one may be infinite.
fn linear(b: &mut Builder, low: Value, high: Value, part: f64) -> Result<Value, OpError> {
    let distance = b.sub(high, low)?;
    if part < 0.5 {
        let step = b.with(Function::Mul, distance, part)?;
        b.add2(low, step)
    } else {
        let step = b.with(Function::Mul, distance, 1.0 - part)?;
        b.sub(high, step)
    }
}

/// The mean of both.
fn middle(b: &mut Builder, low: Value, high: Value, _: f64) -> Result<Value, OpError> {
    let sum = b.add2(low, high)?;
    b.with(Function::Div, sum, 2)
}

/// The value at the fraction `q` of the sorted elements, and between two of them.
fn quantile(
    b: &mut Builder,
    input: Value,
    axis: &Axes,
    q: f64,
    between: Between,
    keepdims: bool,
) -> Result<Value, OpError> {
    let shape = b.shape(input).clone();
    let axes = axis.places(&shape)?;
    let value = float(b, input);
    let others: Vec<usize> = (0..shape.rank()).filter(|axis| !axes.contains(axis)).collect();
    let order = [&others[..], &axes].concat();
    let count: usize = axes.iter().map(|&axis| shape.lengths()[axis]).product();
    let rest = shape.without(&axes, false);
    let lines = Shape::new([rest.lengths(), &[count]].concat());
    let moved = b.permute(value, &order);
    let moved = b.reshape(moved, &lines);
    let (sorted, _) = b.sort(moved);
    let last = rest.rank();
    let at = |b: &mut Builder, place: usize| {
        let one = b.narrow(sorted, last, place, place + 1);
        b.reshape(one, &rest)
    };
    // NumPy's virtual index of the method "linear".
    let place = q * (count - 1) as f64;
    let (low, high) = (at(b, place.floor() as usize), at(b, (place.floor() as usize + 1).min(count - 1)));
    let between = between(b, low, high, place - place.floor())?;
    // Without a fraction the value is an element, also where the next one is infinite.
    let exact = if place.fract() == 0.0 { low } else { between };
    // NaN is sorted last, and one makes all NaN.
    let largest = at(b, count - 1);
    let is_nan = b.map(Function::IsNan, &[largest])?;
    let result = b.select(is_nan, largest, exact)?;
    Ok(b.keep_axes(result, &shape, &axes, keepdims))
}

parameters! {
    /// Median.
    #[derive(Default)]
    pub struct Median {
        #[serde(default)]
        pub axis: Axes,
        #[serde(default)]
        pub keepdims: bool,
    }
}

impl Operator for Median {
    described! {
        "median", Arity::Exactly(1), Bound::Ulps(4),
        "The middle of the sorted elements along `axis`, of an even number the mean of both, `numpy.median`: \
         NaN if one is NaN. An empty axis is refused."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(fraction(inputs))
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        folded(&self.axis, self.keepdims, &inputs[0], true)
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        Ok(vec![quantile(b, inputs[0], &self.axis, 0.5, middle, self.keepdims)?])
    }
}

parameters! {
    /// Percentile.
    pub struct Percentile {
        /// Percent, from 0 to 100.
        pub q: f64,
        #[serde(default)]
        pub axis: Axes,
        #[serde(default)]
        pub keepdims: bool,
    }
}

impl Operator for Percentile {
    described! {
        "percentile", Arity::Exactly(1), Bound::Largest { epsilons: 8.0 },
        "The value below which `q` percent of the elements along `axis` lie, between two of them by linear \
         interpolation, `numpy.percentile`: NaN if one is NaN. An empty axis is refused."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(fraction(inputs))
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        if !(0.0..=100.0).contains(&self.q) {
            return Err(OpError(format!("q is from 0 to 100, not {}", self.q)));
        }
        folded(&self.axis, self.keepdims, &inputs[0], true)
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        Ok(vec![quantile(b, inputs[0], &self.axis, self.q / 100.0, linear, self.keepdims)?])
    }
}

parameters! {
    /// Most frequent element.
    #[derive(Copy, Eq, Default)]
    pub struct Mode {
        /// The axis that leaves; none: the flat array.
        #[serde(default)]
        pub axis: Option<i64>,
    }
}

impl Operator for Mode {
    described! {
        "mode", Arity::Exactly(1), Bound::Exact,
        "The most frequent element along `axis`, or in the flat array; of several the smallest, \
         `scipy.stats.mode`. NaN is equal to no element. An empty axis is refused."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(inputs.to_vec())
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        folded(&Axes::from(self.axis), false, &inputs[0], true)
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (value, axis) = b.along(inputs[0], self.axis)?;
        let (value, _) = b.to_last(value, axis);
        let (sorted, _) = b.sort(value);
        let last = b.shape(sorted).rank() - 1;
        let count = b.shape(sorted).lengths()[last];
        // In sorted elements each is one more in the run of its equals than the one before it.
        let before = b.narrow(sorted, last, 0, count - 1);
        let after = b.narrow(sorted, last, 1, count);
        let equal = b.map(Function::Equal, &[before, after])?;
        let differs = b.not(equal)?;
        // The place where each run begins: the largest of such places so far.
        let differs = b.cast(differs, DType::I64);
        let first = b.full(0, DType::I64, &b.shape(sorted).with(last, 1));
        let begins = b.concat(&[first, differs], last);
        let run = b.cumsum(begins, last);
        let length = run_lengths(b, run, count)?;
        let place = b.argmax(length, last);
        let place = b.reshape(place, &b.shape(sorted).with(last, 1));
        let mode = b.gather_along(sorted, place, last);
        let shape = b.shape(mode).without(&[last], false);
        Ok(vec![b.reshape(mode, &shape)])
    }
}

/// The runs of equals in each line are numbered from 0 on. For each element: how many elements of its
/// line have its number.
fn run_lengths(b: &mut Builder, run: Value, count: usize) -> Result<Value, OpError> {
    let shape = b.shape(run).clone();
    let lines = shape.count() / count;
    // Numbers of its own for each line.
    let flat = Shape::from([lines * count]);
    let line = b.iota(lines);
    let line = b.with(Function::Mul, line, count as i64)?;
    let line = b.reshape(line, &Shape::from([lines, 1]));
    let two = b.reshape(run, &Shape::from([lines, count]));
    let numbers = b.add2(two, line)?;
    let numbers = b.reshape(numbers, &flat);
    let zeros = b.full(0, DType::I64, &flat);
    let ones = b.full(1, DType::I64, &flat);
    let sizes = b.scatter(zeros, numbers, ones, true);
    let lengths = b.gather(sizes, numbers, 0);
    Ok(b.reshape(lengths, &shape))
}
