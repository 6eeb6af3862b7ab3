//! The primitives.

use super::Function;
use crate::index::Run;
use crate::{DType, Shape, Tensor};

/// One result of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value {
    pub node: u32,
    pub output: u32,
}

/// How the elements along some axes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fold {
    Sum,
    Prod,
    /// NaN if one is NaN.
    Min,
    Max,
    /// Of bool.
    Any,
    All,
}

/// Windows over the last axes of an array.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Windows {
    /// Elements of a window along each of the last axes.
    pub sizes: Vec<usize>,
    /// From one window to the next.
    pub strides: Vec<usize>,
    /// From one element of a window to the next.
    pub dilations: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Primitive {
    /// An input of the op, by its number.
    Input(usize),
    /// A scalar, or a small array that the op brings along.
    Constant(Tensor),
    /// A function of each element.
    Map(Function),
    // Moves, which need no copy
    Reshape,
    /// The axes in another order: axis n of the result is axis `order[n]` of the argument.
    Permute(Vec<usize>),
    /// New axes in front, and axes of length 1 repeated.
    Broadcast,
    /// A run along each axis.
    Slice(Vec<Run>),
    /// Each window of the last axes: the window's own axes come last.
    Windows(Windows),
    // Moves that copy
    /// So many elements before and after each axis, all of the second argument, a scalar.
    Pad(Vec<(usize, usize)>),
    Concat {
        axis: usize,
    },
    /// The elements at the indices of the second argument, which takes the place of the axis.
    Gather {
        axis: usize,
    },
    /// The element of each line along the axis that the second argument names in the same place.
    GatherAlong {
        axis: usize,
    },
    /// The first argument with the third set (or added, in order) at the places along the first axis
    /// that the second one, of one axis, names.
    Scatter {
        adds: bool,
    },
    // Folds
    /// Along these axes, which leave.
    Reduce {
        fold: Fold,
        axes: Vec<usize>,
    },
    /// The place (int64) of the first largest element along an axis, which leaves; NaN is the largest.
    Argmax {
        axis: usize,
    },
    /// Sums of each element and those before it along an axis.
    Cumsum {
        axis: usize,
    },
    /// Ascending along the last axis, NaN last, equal ones in their order. The second result has the
    /// places (int64) that the elements had.
    Sort,
    /// `[..., m, k]` times `[..., k, n]`, with equal leading axes.
    Matmul,
    /// Of each matrix in the last two axes. It fails for a singular one.
    Inverse,
    // Makers
    /// 0, 1, 2, ... (int64) of one axis.
    Iota,
    /// Philox4x32-10: the words (int64 from 0 to 2^32 - 1) of the counters 0, 1, 2, ... under a key.
    RandomBits {
        key: u64,
    },
    // With shapes that depend on data
    /// The places (int64) where a bool holds, in row-major order: `[count, rank]`, or `[count]` counted
    /// through all axes.
    Nonzero {
        is_flat: bool,
    },
    /// The different slices along an axis, ascending. Results: the slices; for each slice of the
    /// argument its place among them; how often each occurs.
    Unique {
        axis: usize,
    },
    /// How often each number from 0 on occurs in the first argument (int64, one axis), or the sum of
    /// the second argument there.
    Bincount {
        minlength: usize,
    },
    /// The first argument, if the second (bool) holds everywhere; else the op fails with this sentence.
    Require(String),
}

/// One primitive of a program.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub primitive: Primitive,
    pub arguments: Vec<Value>,
    /// The type of each result. A shape that depends on data is `None`, and no node uses it.
    pub types: Vec<(DType, Option<Shape>)>,
}

/// What a program gives is at `outputs`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    pub nodes: Vec<Node>,
    pub outputs: Vec<Value>,
}
