//! Axes as a parameter of an op.

use serde::{Deserialize, Serialize};

use crate::{OpError, Shape};

/// Axes along which an op works, each counted from the end if it is negative. In a graph's file
/// `null` (all), a number, or a list of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Axes {
    #[default]
    All,
    One(i64),
    Some(Vec<i64>),
}

impl Axes {
    /// Their places in ascending order.
    pub fn places(&self, shape: &Shape) -> Result<Vec<usize>, OpError> {
        let mut places = match self {
            Self::All => return Ok((0..shape.rank()).collect()),
            Self::One(axis) => vec![shape.axis(*axis)?],
            Self::Some(axes) => axes.iter().map(|axis| shape.axis(*axis)).collect::<Result<_, _>>()?,
        };
        places.sort_unstable();
        match places.windows(2).any(|pair| pair[0] == pair[1]) {
            true => Err(OpError(format!("an axis is named twice: {self:?}"))),
            false => Ok(places),
        }
    }

    /// Whether all axes are meant.
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

impl From<i64> for Axes {
    fn from(axis: i64) -> Self {
        Self::One(axis)
    }
}

impl From<Option<i64>> for Axes {
    fn from(axis: Option<i64>) -> Self {
        axis.map_or(Self::All, Self::One)
    }
}

impl<const N: usize> From<[i64; N]> for Axes {
    fn from(axes: [i64; N]) -> Self {
        Self::Some(axes.into())
    }
}
