//! A plain number as a parameter of an op.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::DType;

/// A number of a program or of a graph's file. Beside an array it takes the array's type if it can, as
/// NumPy 2 has it: an integer never changes it, a fraction makes integers float64.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    Bool(bool),
    Int(i64),
    Float(f64),
}

impl Number {
    /// Its type beside elements of this type.
    pub const fn dtype_beside(self, dtype: DType) -> DType {
        match (self, dtype) {
            (Self::Int(_), DType::Bool) => DType::I64,
            (Self::Float(_), DType::Bool | DType::I32 | DType::I64) => DType::F64,
            (_, dtype) => dtype,
        }
    }

    /// Its type where there is nothing beside it.
    pub const fn dtype(self) -> DType {
        match self {
            Self::Bool(_) => DType::Bool,
            Self::Int(_) => DType::I64,
            Self::Float(_) => DType::F64,
        }
    }

    pub const fn to_f64(self) -> f64 {
        match self {
            Self::Bool(value) => value as u8 as f64,
            Self::Int(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    /// As an integer; a fraction is cut off, and what is out of range is the nearest.
    pub const fn to_i64(self) -> i64 {
        match self {
            Self::Bool(value) => value as i64,
            Self::Int(value) => value,
            Self::Float(value) => value as i64,
        }
    }

    /// Whether it is not zero.
    pub const fn is_true(self) -> bool {
        match self {
            Self::Bool(value) => value,
            Self::Int(value) => value != 0,
            Self::Float(value) => value != 0.0,
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),*) => {$(
        impl From<$from> for Number {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}
from!(bool => Bool, i32 => Int, i64 => Int, f32 => Float, f64 => Float);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Self::Bool(value) => serializer.serialize_bool(value),
            Self::Int(value) => serializer.serialize_i64(value),
            // JSON has no such numbers.
            Self::Float(value) if value.is_nan() => serializer.serialize_str("nan"),
            Self::Float(value) if value.is_infinite() => {
                serializer.serialize_str(if value > 0.0 { "inf" } else { "-inf" })
            }
            Self::Float(value) => serializer.serialize_f64(value),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl Visitor<'_> for Any {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, true, false, \"nan\", \"inf\" or \"-inf\"")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Number, E> {
        Ok(Number::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number::Int(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        i64::try_from(value).map(Number::Int).map_err(|_| E::custom(format!("{value} is not an int64")))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number::Float(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Number, E> {
        match value {
            "nan" => Ok(Number::Float(f64::NAN)),
            "inf" => Ok(Number::Float(f64::INFINITY)),
            "-inf" => Ok(Number::Float(f64::NEG_INFINITY)),
            _ => Err(E::invalid_value(de::Unexpected::Str(value), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back_from_json() {
        let numbers = [Number::Bool(true), Number::Int(i64::MIN), Number::Float(-0.0), Number::Float(1.0)];
        let infinite = [Number::Float(f64::INFINITY), Number::Float(f64::NEG_INFINITY)];
        for number in numbers.into_iter().chain(infinite) {
            let text = serde_json::to_string(&number).expect("JSON");
            assert_eq!(serde_json::from_str::<Number>(&text).expect(&text), number);
        }
        assert!(serde_json::from_str::<Number>("\"nan\"").is_ok_and(|number| number.to_f64().is_nan()));
        assert!(serde_json::from_str::<Number>("\"one\"").is_err());
    }
}
