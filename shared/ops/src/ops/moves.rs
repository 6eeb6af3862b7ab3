//! Ops that move elements and change none.

use super::described::{described, parameters};
use crate::index::Run;
use crate::lower::{Builder, Value};
use crate::{Arity, Axes, Bound, DType, Index, Number, OpError, Operator, Shape, Tensor};

fn same(inputs: &[DType]) -> Result<Vec<DType>, OpError> {
    Ok(vec![inputs[0]])
}

/// The rules and the lowering of an op that gives the same elements in the shape of its `shape` method.
macro_rules! reshapes {
    () => {
        fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
            same(inputs)
        }

        fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
            Ok(vec![Some(self.shape(&inputs[0])?)])
        }

        fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
            let shape = self.shape(b.shape(inputs[0]))?;
            Ok(vec![b.reshape(inputs[0], &shape)])
        }
    };
}

parameters! {
    /// Another shape.
    #[derive(Eq)]
    pub struct Reshape {
        /// One length may be -1: what is left for it.
        pub shape: Vec<i64>,
    }
}

impl Reshape {
    fn shape(&self, of: &Shape) -> Result<Shape, OpError> {
        let error = || OpError(format!("the {} elements of the shape {of} do not fit {:?}", of.count(), self.shape));
        let open = self.shape.iter().filter(|&&length| length == -1).count();
        let known = self.shape.iter().filter(|&&length| length != -1);
        let known: Option<Vec<usize>> = known.map(|&length| usize::try_from(length).ok()).collect();
        let count = Shape::new(known.ok_or_else(error)?).count();
        let rest = match (open, count) {
            (0, _) => 1,
            (1, 1..) if of.count().is_multiple_of(count) => of.count() / count,
            _ => return Err(error()),
        };
        let lengths = self.shape.iter().map(|&length| usize::try_from(length).unwrap_or(rest)).collect::<Vec<_>>();
        let shape = Shape::new(lengths);
        if shape.count() == of.count() { Ok(shape) } else { Err(error()) }
    }
}

impl Operator for Reshape {
    described! {
        "reshape", Arity::Exactly(1), Bound::Exact,
        "The elements in row-major order with another `shape`, `numpy.reshape`. One length may be -1: what is \
         left for it."
    }

    reshapes! {}
}

/// The elements in one axis.
macro_rules! flat {
    ($($name:ident = $text:literal; $meaning:literal)*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Copy, Eq, Default)]
            pub struct $name {}
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(1), Bound::Exact, $meaning }

            fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
                same(inputs)
            }

            fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                Ok(vec![Some(Shape::from([inputs[0].count()]))])
            }

            fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
                Ok(vec![b.along(inputs[0], None)?.0])
            }
        }
    )*};
}

flat! {
    Flatten = "flatten"; "The elements in row-major order in one axis, `numpy.ndarray.flatten`."
    Ravel = "ravel"; "The same as `flatten`: arrays of a graph are never changed, so there is no view to tell \
     from a copy."
}

parameters! {
    /// Axes in another order.
    #[derive(Eq, Default)]
    pub struct Transpose {
        /// Axis n of the result is axis `axes[n]`; none: all in reverse.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub axes: Option<Vec<i64>>,
    }
}

impl Transpose {
    fn order(&self, shape: &Shape) -> Result<Vec<usize>, OpError> {
        let Some(axes) = &self.axes else { return Ok((0..shape.rank()).rev().collect()) };
        let order: Vec<usize> = axes.iter().map(|axis| shape.axis(*axis)).collect::<Result<_, _>>()?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        match sorted.into_iter().eq(0..shape.rank()) {
            true => Ok(order),
            false => Err(OpError(format!("axes {axes:?} are not each axis of the shape {shape} once"))),
        }
    }
}

impl Operator for Transpose {
    described! {
        "transpose", Arity::Exactly(1), Bound::Exact,
        "Axis n of the result is axis `axes[n]` of the input, or all axes in reverse, `numpy.transpose`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        same(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let order = self.order(&inputs[0])?;
        Ok(vec![Some(Shape::new(order.iter().map(|&axis| inputs[0].lengths()[axis]).collect::<Vec<_>>()))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let order = self.order(b.shape(inputs[0]))?;
        Ok(vec![b.permute(inputs[0], &order)])
    }
}

parameters! {
    /// A new axis.
    #[derive(Copy, Eq, Default)]
    pub struct ExpandDims {
        /// Its place in the result.
        #[serde(default)]
        pub axis: i64,
    }
}

impl ExpandDims {
    fn shape(&self, of: &Shape) -> Result<Shape, OpError> {
        Ok(of.with_new_axis(self.axis)?.0)
    }
}

impl Operator for ExpandDims {
    described! {
        "expand_dims", Arity::Exactly(1), Bound::Exact,
        "With a new axis of length 1 at the place `axis` of the result (0), `numpy.expand_dims`."
    }

    reshapes! {}
}

parameters! {
    /// Without axes of length 1.
    #[derive(Eq, Default)]
    pub struct Squeeze {
        /// Each must have length 1; all: those that have.
        #[serde(default)]
        pub axis: Axes,
    }
}

impl Squeeze {
    fn shape(&self, of: &Shape) -> Result<Shape, OpError> {
        let is_one = |axis: &usize| of.lengths()[*axis] == 1;
        let mut axes = self.axis.places(of)?;
        match axes.iter().find(|axis| !is_one(axis)).filter(|_| !self.axis.is_all()) {
            Some(axis) => Err(OpError(format!("axis {axis} of the shape {of} has another length than 1"))),
            None => {
                axes.retain(is_one);
                Ok(of.without(&axes, false))
            }
        }
    }
}

impl Operator for Squeeze {
    described! {
        "squeeze", Arity::Exactly(1), Bound::Exact,
        "Without all axes of length 1, or without those of `axis`, which must have it, `numpy.squeeze`."
    }

    reshapes! {}
}

parameters! {
    /// Repeated along axes.
    #[derive(Eq)]
    pub struct BroadcastTo {
        pub shape: Shape,
    }
}

impl Operator for BroadcastTo {
    described! {
        "broadcast_to", Arity::Exactly(1), Bound::Exact,
        "Repeated along new axes and axes of length 1 to `shape`, `numpy.broadcast_to`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        same(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        match inputs[0].broadcast(&self.shape)? == self.shape {
            true => Ok(vec![Some(self.shape.clone())]),
            false => Err(OpError(format!("the shape {} cannot be broadcast to {}", inputs[0], self.shape))),
        }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        Ok(vec![b.broadcast(inputs[0], &self.shape)])
    }
}

parameters! {
    /// A part of an array.
    #[derive(Eq)]
    pub struct Slice {
        pub index: Index,
    }
}

impl Operator for Slice {
    described! {
        "slice", Arity::Exactly(1), Bound::Exact,
        "What `index` takes, NumPy's basic indexing: places, ranges with steps (negative ones too), new axes \
         and `...`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        same(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![Some(self.index.resolve(&inputs[0])?.shape)])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let taken = self.index.resolve(b.shape(inputs[0]))?;
        let value = b.slice(inputs[0], &taken.runs);
        Ok(vec![b.reshape(value, &taken.shape)])
    }
}

parameters! {
    /// In reverse.
    #[derive(Eq, Default)]
    pub struct Reverse {
        #[serde(default)]
        pub axis: Axes,
    }
}

impl Operator for Reverse {
    described! {
        "reverse", Arity::Exactly(1), Bound::Exact,
        "With the order of the elements along `axis` reversed, `numpy.flip`."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        same(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        self.axis.places(&inputs[0])?;
        Ok(vec![Some(inputs[0].clone())])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let shape = b.shape(inputs[0]).clone();
        let axes = self.axis.places(&shape)?;
        let run = |(axis, &count): (usize, &usize)| match axes.contains(&axis) && count > 0 {
            true => Run { start: count - 1, step: -1, count },
            false => Run { start: 0, step: 1, count },
        };
        let runs: Vec<Run> = shape.lengths().iter().enumerate().map(run).collect();
        Ok(vec![b.slice(inputs[0], &runs)])
    }
}

/// The lengths of an array, or their product, which follow from its shape.
macro_rules! lengths {
    ($($name:ident = $text:literal, $tensor:expr; $meaning:literal)*) => {$(
        parameters! {
            #[doc = $meaning]
            #[derive(Copy, Eq, Default)]
            pub struct $name {}
        }

        impl $name {
            fn tensor(shape: &Shape) -> Result<Tensor, OpError> {
                let tensor: fn(Vec<i64>) -> Result<Tensor, OpError> = $tensor;
                tensor(shape.lengths().iter().map(|&length| length as i64).collect())
            }
        }

        impl Operator for $name {
            described! { $text, Arity::Exactly(1), Bound::Exact, $meaning }

            fn dtypes(&self, _: &[DType]) -> Result<Vec<DType>, OpError> {
                Ok(vec![DType::I64])
            }

            fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
                Ok(vec![Some(Self::tensor(&inputs[0])?.shape().clone())])
            }

            fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
                let tensor = Self::tensor(b.shape(inputs[0]))?;
                Ok(vec![b.constant(tensor)])
            }
        }
    )*};
}

lengths! {
    ShapeOf = "shape_of", |lengths| Tensor::from_vec([lengths.len()], lengths);
    "The lengths of the axes (int64), `numpy.shape`."
    Size = "size", |lengths| Ok(Tensor::scalar(Number::Int(lengths.iter().product()), DType::I64));
    "The number of elements (int64), `numpy.size`."
}
