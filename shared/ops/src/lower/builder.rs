//! Makes programs of primitives.

use super::Function;
use super::primitive::{Fold, Node, Primitive, Program, Value, Windows};
use crate::index::Run;
use crate::{DType, Number, OpError, Shape, Tensor};

/// A program that is being made. Its methods expect what the rules of ops have checked: equal types,
/// axes in range, shapes that fit.
#[derive(Debug, Default)]
pub struct Builder {
    program: Program,
}

impl Builder {
    pub fn input(&mut self, number: usize, dtype: DType, shape: &Shape) -> Value {
        self.add(Primitive::Input(number), &[], dtype, shape.clone())
    }

    pub fn finish(mut self, outputs: Vec<Value>) -> Program {
        self.program.outputs = outputs;
        self.program
    }

    pub fn dtype(&self, value: Value) -> DType {
        self.program.nodes[value.node as usize].types[value.output as usize].0
    }

    /// # Panics
    /// The shape depends on data: rules of ops put nothing behind such a value.
    pub fn shape(&self, value: Value) -> &Shape {
        let (_, shape) = &self.program.nodes[value.node as usize].types[value.output as usize];
        shape.as_ref().expect("nothing follows a value whose shape depends on data")
    }

    fn add(&mut self, primitive: Primitive, arguments: &[Value], dtype: DType, shape: Shape) -> Value {
        self.add_many(primitive, arguments, vec![(dtype, Some(shape))])
    }

    fn add_many(&mut self, primitive: Primitive, arguments: &[Value], types: Vec<(DType, Option<Shape>)>) -> Value {
        let node = u32::try_from(self.program.nodes.len()).expect("far fewer nodes");
        self.program.nodes.push(Node { primitive, arguments: arguments.to_vec(), types });
        Value { node, output: 0 }
    }

    pub fn constant(&mut self, tensor: Tensor) -> Value {
        let (dtype, shape) = (tensor.dtype(), tensor.shape().clone());
        self.add(Primitive::Constant(tensor), &[], dtype, shape)
    }

    pub fn number(&mut self, number: impl Into<Number>, dtype: DType) -> Value {
        self.constant(Tensor::scalar(number.into(), dtype))
    }

    pub fn full(&mut self, number: impl Into<Number>, dtype: DType, shape: &Shape) -> Value {
        let number = self.number(number, dtype);
        self.broadcast(number, shape)
    }

    /// A function of each element of the arguments, broadcast together.
    pub fn map(&mut self, function: Function, arguments: &[Value]) -> Result<Value, OpError> {
        let shapes = arguments.iter().map(|&value| self.shape(value).clone());
        let shape = shapes.map(Ok).reduce(|one, other| one?.broadcast(&other?)).unwrap_or(Ok(Shape::scalar()))?;
        let arguments: Vec<Value> = arguments.iter().map(|&value| self.broadcast(value, &shape)).collect();
        let of = arguments.last().map_or(DType::Bool, |&value| self.dtype(value));
        shape.check(function.result(of))?;
        Ok(self.add(Primitive::Map(function), &arguments, function.result(of), shape))
    }

    pub fn cast(&mut self, value: Value, to: DType) -> Value {
        if self.dtype(value) == to {
            return value;
        }
        let shape = self.shape(value).clone();
        self.add(Primitive::Map(Function::Cast(to)), &[value], to, shape)
    }

    pub fn reshape(&mut self, value: Value, shape: &Shape) -> Value {
        if self.shape(value) == shape {
            return value;
        }
        self.add(Primitive::Reshape, &[value], self.dtype(value), shape.clone())
    }

    pub fn permute(&mut self, value: Value, order: &[usize]) -> Value {
        if order.iter().enumerate().all(|(axis, from)| axis == *from) {
            return value;
        }
        let lengths = self.shape(value).lengths();
        let shape = Shape::new(order.iter().map(|&axis| lengths[axis]).collect::<Vec<_>>());
        self.add(Primitive::Permute(order.to_vec()), &[value], self.dtype(value), shape)
    }

    /// With this axis last, and all others in their order; and how to go back.
    pub fn to_last(&mut self, value: Value, axis: usize) -> (Value, Vec<usize>) {
        let rank = self.shape(value).rank();
        let order: Vec<usize> = (0..rank).filter(|&other| other != axis).chain([axis]).collect();
        let mut back = vec![0; rank];
        order.iter().enumerate().for_each(|(place, &from)| back[from] = place);
        (self.permute(value, &order), back)
    }

    pub fn broadcast(&mut self, value: Value, shape: &Shape) -> Value {
        if self.shape(value) == shape {
            return value;
        }
        self.add(Primitive::Broadcast, &[value], self.dtype(value), shape.clone())
    }

    pub fn slice(&mut self, value: Value, runs: &[Run]) -> Value {
        let shape = Shape::new(runs.iter().map(|run| run.count).collect::<Vec<_>>());
        self.add(Primitive::Slice(runs.to_vec()), &[value], self.dtype(value), shape)
    }

    /// The elements from one place to before another along one axis.
    pub fn narrow(&mut self, value: Value, axis: usize, from: usize, to: usize) -> Value {
        let whole = |&count: &usize| Run { start: 0, step: 1, count };
        let mut runs: Vec<Run> = self.shape(value).lengths().iter().map(whole).collect();
        runs[axis] = Run { start: if from < to { from } else { 0 }, step: 1, count: to - from };
        self.slice(value, &runs)
    }

    /// Windows over the last axes.
    pub fn windows(&mut self, value: Value, windows: Windows) -> Value {
        let lengths = self.shape(value).lengths();
        let first = lengths.len() - windows.sizes.len();
        let mut shape = lengths[..first].to_vec();
        for (axis, &size) in windows.sizes.iter().enumerate() {
            let reach = (size - 1) * windows.dilations[axis] + 1;
            shape.push((lengths[first + axis] - reach) / windows.strides[axis] + 1);
        }
        shape.extend(&windows.sizes);
        self.add(Primitive::Windows(windows), &[value], self.dtype(value), shape.into())
    }

    pub fn pad(&mut self, value: Value, widths: &[(usize, usize)], with: Value) -> Result<Value, OpError> {
        if widths.iter().all(|widths| *widths == (0, 0)) {
            return Ok(value);
        }
        let lengths = self.shape(value).lengths().iter().zip(widths);
        let shape = Shape::new(lengths.map(|(length, (before, after))| length + before + after).collect::<Vec<_>>());
        shape.check(self.dtype(value))?;
        Ok(self.add(Primitive::Pad(widths.to_vec()), &[value, with], self.dtype(value), shape))
    }

    pub fn concat(&mut self, values: &[Value], axis: usize) -> Value {
        let length = values.iter().map(|&value| self.shape(value).lengths()[axis]).sum();
        let shape = self.shape(values[0]).with(axis, length);
        self.add(Primitive::Concat { axis }, values, self.dtype(values[0]), shape)
    }

    pub fn gather(&mut self, value: Value, indices: Value, axis: usize) -> Value {
        let (lengths, places) = (self.shape(value).lengths(), self.shape(indices).lengths());
        let shape = [&lengths[..axis], places, &lengths[axis + 1..]].concat();
        self.add(Primitive::Gather { axis }, &[value, indices], self.dtype(value), shape.into())
    }

    pub fn gather_along(&mut self, value: Value, indices: Value, axis: usize) -> Value {
        let shape = self.shape(indices).clone();
        self.add(Primitive::GatherAlong { axis }, &[value, indices], self.dtype(value), shape)
    }

    pub fn scatter(&mut self, base: Value, places: Value, updates: Value, adds: bool) -> Value {
        let shape = self.shape(base).clone();
        self.add(Primitive::Scatter { adds }, &[base, places, updates], self.dtype(base), shape)
    }

    pub fn reduce(&mut self, fold: Fold, value: Value, axes: &[usize]) -> Value {
        let shape = self.shape(value).without(axes, false);
        self.add(Primitive::Reduce { fold, axes: axes.to_vec() }, &[value], self.dtype(value), shape)
    }

    pub fn argmax(&mut self, value: Value, axis: usize) -> Value {
        let shape = self.shape(value).without(&[axis], false);
        self.add(Primitive::Argmax { axis }, &[value], DType::I64, shape)
    }

    pub fn cumsum(&mut self, value: Value, axis: usize) -> Value {
        let shape = self.shape(value).clone();
        self.add(Primitive::Cumsum { axis }, &[value], self.dtype(value), shape)
    }

    /// Sorted along the last axis, and the places that the elements had.
    pub fn sort(&mut self, value: Value) -> (Value, Value) {
        let shape = self.shape(value).clone();
        let types = vec![(self.dtype(value), Some(shape.clone())), (DType::I64, Some(shape))];
        let sorted = self.add_many(Primitive::Sort, &[value], types);
        (sorted, Value { output: 1, ..sorted })
    }

    pub fn matmul(&mut self, one: Value, other: Value) -> Value {
        let (left, right) = (self.shape(one), self.shape(other));
        let shape = left.with(left.rank() - 1, right.lengths()[right.rank() - 1]);
        self.add(Primitive::Matmul, &[one, other], self.dtype(one), shape)
    }

    pub fn inverse(&mut self, value: Value) -> Value {
        let shape = self.shape(value).clone();
        self.add(Primitive::Inverse, &[value], self.dtype(value), shape)
    }

    pub fn iota(&mut self, count: usize) -> Value {
        self.add(Primitive::Iota, &[], DType::I64, Shape::from([count]))
    }

    pub fn random_bits(&mut self, key: u64, words: usize) -> Value {
        self.add(Primitive::RandomBits { key }, &[], DType::I64, Shape::from([words]))
    }

    pub fn nonzero(&mut self, value: Value, is_flat: bool) -> Value {
        self.add_many(Primitive::Nonzero { is_flat }, &[value], vec![(DType::I64, None)])
    }

    /// The different slices, the place of each slice among them, and how often each occurs.
    pub fn unique(&mut self, value: Value, axis: usize) -> [Value; 3] {
        let count = self.shape(value).lengths()[axis];
        let types = vec![(self.dtype(value), None), (DType::I64, Some(Shape::from([count]))), (DType::I64, None)];
        let first = self.add_many(Primitive::Unique { axis }, &[value], types);
        [0, 1, 2].map(|output| Value { output, ..first })
    }

    pub fn bincount(&mut self, value: Value, weights: Option<Value>, minlength: usize) -> Value {
        let arguments: Vec<Value> = [value].into_iter().chain(weights).collect();
        let dtype = weights.map_or(DType::I64, |weights| self.dtype(weights));
        self.add_many(Primitive::Bincount { minlength }, &arguments, vec![(dtype, None)])
    }

    /// `value`, if `holds` (bool) is true everywhere; else the op fails.
    pub fn require(&mut self, value: Value, holds: Value, else_say: impl Into<String>) -> Value {
        let shape = self.shape(value).clone();
        self.add(Primitive::Require(else_say.into()), &[value, holds], self.dtype(value), shape)
    }
}
