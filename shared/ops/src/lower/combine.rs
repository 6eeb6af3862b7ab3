//! What several ops do with primitives.

use super::{Builder, Fold, Function, Value};
use crate::{DType, Number, OpError, Shape};

impl Builder {
    pub fn add2(&mut self, one: Value, other: Value) -> Result<Value, OpError> {
        self.map(Function::Add, &[one, other])
    }

    pub fn sub(&mut self, one: Value, other: Value) -> Result<Value, OpError> {
        self.map(Function::Sub, &[one, other])
    }

    pub fn mul(&mut self, one: Value, other: Value) -> Result<Value, OpError> {
        self.map(Function::Mul, &[one, other])
    }

    pub fn div(&mut self, one: Value, other: Value) -> Result<Value, OpError> {
        self.map(Function::Div, &[one, other])
    }

    pub fn select(&mut self, holds: Value, yes: Value, no: Value) -> Result<Value, OpError> {
        self.map(Function::Select, &[holds, yes, no])
    }

    /// A function of a value and a number of the value's type.
    pub fn with(&mut self, function: Function, value: Value, number: impl Into<Number>) -> Result<Value, OpError> {
        let number = self.number(number, self.dtype(value));
        self.map(function, &[value, number])
    }

    /// With length 1 in the place of each of these axes, which a fold has taken out.
    pub fn keep_axes(&mut self, value: Value, of: &Shape, axes: &[usize], keeps: bool) -> Value {
        if keeps { self.reshape(value, &of.without(axes, true)) } else { value }
    }

    /// The fold along axes, and these as length 1.
    pub fn fold_kept(&mut self, fold: Fold, value: Value, axes: &[usize]) -> Value {
        let shape = self.shape(value).clone();
        let folded = self.reduce(fold, value, axes);
        self.keep_axes(folded, &shape, axes, true)
    }

    /// Whether each element is not zero.
    pub fn truth(&mut self, value: Value) -> Value {
        self.cast(value, DType::Bool)
    }

    pub fn not(&mut self, value: Value) -> Result<Value, OpError> {
        self.map(Function::Not, &[value])
    }

    /// The sum of the elements along axes, divided by their number. An empty mean is NaN.
    pub fn mean(&mut self, value: Value, axes: &[usize]) -> Result<Value, OpError> {
        let lengths = self.shape(value).lengths();
        let count: usize = axes.iter().map(|&axis| lengths[axis]).product();
        let sum = self.reduce(Fold::Sum, value, axes);
        self.with(Function::Div, sum, count as f64)
    }

    /// Along one axis: the flat array if none is named.
    pub fn along(&mut self, value: Value, axis: Option<i64>) -> Result<(Value, usize), OpError> {
        match axis {
            Some(axis) => Ok((value, self.shape(value).axis(axis)?)),
            None => {
                let flat = Shape::from([self.shape(value).count()]);
                Ok((self.reshape(value, &flat), 0))
            }
        }
    }

    /// Places counted from the end made places from the start. The op fails if one is out of range.
    pub fn places(&mut self, indices: Value, length: usize) -> Result<Value, OpError> {
        let indices = self.cast(indices, DType::I64);
        let size = i64::try_from(length).unwrap_or(i64::MAX);
        let from_end = self.with(Function::Add, indices, size)?;
        let is_negative = self.with(Function::Less, indices, 0)?;
        let places = self.select(is_negative, from_end, indices)?;
        let zero = self.number(0, DType::I64);
        let is_low = self.map(Function::LessEqual, &[zero, places])?;
        let is_high = self.with(Function::Less, places, size)?;
        let holds = self.map(Function::And, &[is_low, is_high])?;
        Ok(self.require(places, holds, format!("an index is out of range for an axis of length {length}")))
    }
}
