//! Functions of single elements.

use crate::DType;

/// A function of one element of each argument. All arguments have one type and one shape, but for the
/// condition of [`Function::Select`], which is a bool. `packhorse-compute` defines each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    // Of one argument
    Neg,
    Abs,
    /// -1, 0 or 1; NaN of NaN.
    Sign,
    Floor,
    Ceil,
    /// To the nearest integer, ties to even.
    Round,
    Sqrt,
    Cbrt,
    Exp,
    Expm1,
    Log,
    Log1p,
    Sin,
    Cos,
    Tan,
    Tanh,
    /// 1 / (1 + exp(-x))
    Sigmoid,
    /// x (1 + erf(x / sqrt 2)) / 2
    Gelu,
    /// Of bool or integers: every bit.
    Not,
    /// Whether it is NaN.
    IsNan,
    /// To another type: to bool whether it is not zero, to an integer towards zero.
    Cast(DType),
    // Of two
    Add,
    Sub,
    Mul,
    Div,
    /// Towards minus infinity.
    FloorDiv,
    /// With the sign of the divisor.
    Remainder,
    Pow,
    /// NaN if one is NaN.
    Min,
    Max,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Equal,
    Less,
    LessEqual,
    // Of three
    /// The second where the first holds, else the third.
    Select,
}

impl Function {
    pub const fn arguments(self) -> usize {
        match self {
            Self::Neg
            | Self::Abs
            | Self::Sign
            | Self::Floor
            | Self::Ceil
            | Self::Round
            | Self::Sqrt
            | Self::Cbrt
            | Self::Exp
            | Self::Expm1
            | Self::Log
            | Self::Log1p
            | Self::Sin
            | Self::Cos
            | Self::Tan
            | Self::Tanh
            | Self::Sigmoid
            | Self::Gelu
            | Self::Not
            | Self::IsNan
            | Self::Cast(_) => 1,
            Self::Select => 3,
            _ => 2,
        }
    }

    /// The type of its result for arguments of this type.
    pub const fn result(self, argument: DType) -> DType {
        match self {
            Self::IsNan | Self::Equal | Self::Less | Self::LessEqual => DType::Bool,
            Self::Cast(to) => to,
            _ => argument,
        }
    }
}
