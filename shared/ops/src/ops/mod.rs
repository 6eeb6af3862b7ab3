//! The ops, by family. Each has its parameters, its rule for types and shapes, and its lowering.

pub mod arithmetic;
pub mod compare;
mod described;
mod elementwise;
pub mod fold;
pub mod join;
pub mod linear;
pub mod logic;
pub mod make;
pub mod math;
pub mod moves;
pub mod pad;
pub mod random;
pub mod select;
pub mod sorted;
pub mod stats;
pub mod windows;

/// Calls a macro with the list of all ops, by family.
#[macro_export]
macro_rules! operators {
    ($each:ident) => {
        $each! {
            arithmetic {
                Add Subtract Multiply Divide FloorDivide Remainder Power Minimum Maximum
                Negative Positive Abs Sign Square Cube
            }
            math { Sqrt Cbrt Exp Expm1 Log Log1p Sin Cos Tan Tanh Sigmoid Gelu Relu Floor Ceil Round }
            compare { Equal NotEqual Greater GreaterEqual Less LessEqual Isnan Where Clip Cast }
            logic {
                LogicalAnd LogicalOr LogicalXor LogicalNot
                BitwiseAnd BitwiseOr BitwiseXor Invert LeftShift RightShift
            }
            fold { Sum Prod Min Max Any All Argmin Argmax Cumsum Softmax LogSoftmax }
            stats { Mean Average Variance Std Median Percentile Mode }
            moves { Reshape Flatten Ravel Transpose ExpandDims Squeeze BroadcastTo Slice Reverse ShapeOf Size }
            join { Concat Stack Split Tile Repeat Foreach }
            pad { Pad }
            select { Gather SetItem OneHot FindIndices Argwhere }
            sorted { Sort Argsort Unique Bincount }
            linear { Matmul Dot Einsum Inverse }
            windows { Conv2d MaxPool2d AvgPool2d }
            make { Arange Zeros Ones Full }
            random { RandomUniform RandomNormal Sample }
        }
    };
}
