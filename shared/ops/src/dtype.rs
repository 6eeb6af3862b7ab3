//! Types of elements, and how they combine.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The type of an array's elements. The names are NumPy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum DType {
    #[serde(rename = "bool")]
    Bool,
    #[serde(rename = "int32")]
    I32,
    #[serde(rename = "int64")]
    I64,
    #[serde(rename = "float32")]
    F32,
    #[serde(rename = "float64")]
    F64,
}

impl DType {
    pub const ALL: [Self; 5] = [Self::Bool, Self::I32, Self::I64, Self::F32, Self::F64];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::I32 => "int32",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::I32 | Self::F32 => 4,
            Self::I64 | Self::F64 => 8,
        }
    }

    pub const fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F64)
    }

    pub const fn is_integer(self) -> bool {
        matches!(self, Self::I32 | Self::I64)
    }

    /// The smallest type that holds the values of both, as NumPy's `promote_types`: an integer with
    /// float32 gives float64.
    pub fn promote(self, other: Self) -> Self {
        let (low, high) = if self <= other { (self, other) } else { (other, self) };
        if low.is_integer() && high == Self::F32 { Self::F64 } else { high }
    }

    /// The type of a result that has a fraction, such as a quotient or a mean: float64 for integers and
    /// bool.
    pub const fn to_float(self) -> Self {
        if self.is_float() { self } else { Self::F64 }
    }

    /// The type of a sum or a product of elements, as NumPy has it: int64 for int32 and bool.
    pub const fn to_sum(self) -> Self {
        match self {
            Self::Bool | Self::I32 => Self::I64,
            other => other,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::DType::{Bool, F32, F64, I32, I64};

    #[test]
    fn types_are_promoted_as_numpy_does() {
        // numpy.promote_types for each pair, in the order of `DType::ALL`.
        let table = [
            [Bool, I32, I64, F32, F64],
            [I32, I32, I64, F64, F64],
            [I64, I64, I64, F64, F64],
            [F32, F64, F64, F32, F64],
            [F64, F64, F64, F64, F64],
        ];
        for (row, one) in super::DType::ALL.into_iter().enumerate() {
            for (column, other) in super::DType::ALL.into_iter().enumerate() {
                assert_eq!(one.promote(other), table[row][column], "{one} and {other}");
            }
        }
    }
}
