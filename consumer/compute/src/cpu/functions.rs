//! Functions of elements, on tiles.

use ops::lower::Function;
use ops::{DType, Element};

use super::chain::TILE;
use super::view::View;
use crate::define::{self, Double, Single};

/// Elements of one register.
#[derive(Debug)]
pub(super) enum Tile {
    Bool(Vec<u8>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Tile {
    pub fn new(dtype: DType) -> Self {
        match dtype {
            DType::Bool => Self::Bool(vec![0; TILE]),
            DType::I32 => Self::I32(vec![0; TILE]),
            DType::I64 => Self::I64(vec![0; TILE]),
            DType::F32 => Self::F32(vec![0.0; TILE]),
            DType::F64 => Self::F64(vec![0.0; TILE]),
        }
    }

    pub fn read(&mut self, view: &View, from: usize, count: usize) {
        match self {
            Self::Bool(tile) => view.read(from, &mut tile[..count]),
            Self::I32(tile) => view.read(from, &mut tile[..count]),
            Self::I64(tile) => view.read(from, &mut tile[..count]),
            Self::F32(tile) => view.read(from, &mut tile[..count]),
            Self::F64(tile) => view.read(from, &mut tile[..count]),
        }
    }

    pub fn write<T: Element>(&self, into: &mut [T]) {
        let any: &dyn std::any::Any = match self {
            Self::Bool(tile) => tile,
            Self::I32(tile) => tile,
            Self::I64(tile) => tile,
            Self::F32(tile) => tile,
            Self::F64(tile) => tile,
        };
        if let Some(tile) = any.downcast_ref::<Vec<T>>() {
            into.copy_from_slice(&tile[..into.len()]);
        }
    }
}

/// A function of one argument.
fn one<T: Copy, R>(of: &[T], into: &mut [R], function: impl Fn(T) -> R) {
    for (into, &x) in into.iter_mut().zip(of) {
        *into = function(x);
    }
}

fn two<T: Copy, R>(of: &[T], other: &[T], into: &mut [R], function: impl Fn(T, T) -> R) {
    for ((into, &x), &y) in into.iter_mut().zip(of).zip(other) {
        *into = function(x, y);
    }
}

/// Applies a function to the first `count` elements of its arguments.
pub(super) fn apply(function: Function, of: &[&Tile], into: &mut Tile, count: usize) {
    match (function, of) {
        (Function::Cast(_), [of]) => cast(of, into, count),
        (Function::Select, [Tile::Bool(holds), yes, no]) => select(holds, yes, no, into, count),
        (_, [Tile::Bool(x), rest @ ..]) => {
            if let ([], Tile::Bool(into)) = (rest, &mut *into) {
                one(&x[..count], into, |x| 1 - x);
            } else if let ([Tile::Bool(y)], Tile::Bool(into)) = (rest, into) {
                bools(function, &x[..count], &y[..count], into);
            }
        }
        (_, [Tile::I32(x)]) => integer_32::one(function, &x[..count], into),
        (_, [Tile::I64(x)]) => integer_64::one(function, &x[..count], into),
        (_, [Tile::F32(x)]) => single::one(function, &x[..count], into),
        (_, [Tile::F64(x)]) => double::one(function, &x[..count], into),
        (_, [Tile::I32(x), Tile::I32(y)]) => integer_32::two(function, &x[..count], &y[..count], into),
        (_, [Tile::I64(x), Tile::I64(y)]) => integer_64::two(function, &x[..count], &y[..count], into),
        (_, [Tile::F32(x), Tile::F32(y)]) => single::two(function, &x[..count], &y[..count], into),
        (_, [Tile::F64(x), Tile::F64(y)]) => double::two(function, &x[..count], &y[..count], into),
        _ => unreachable!("{function:?} of arguments of different types"),
    }
}

/// Functions of two bools; as numbers they are 0 and 1.
fn bools(function: Function, x: &[u8], y: &[u8], into: &mut [u8]) {
    match function {
        Function::And | Function::Min => two(x, y, into, |x, y| x & y),
        Function::Or | Function::Max => two(x, y, into, |x, y| x | y),
        Function::Xor => two(x, y, into, |x, y| x ^ y),
        _ => compare(function, x, y, into),
    }
}

fn compare<T: Copy + PartialOrd>(function: Function, x: &[T], y: &[T], into: &mut [u8]) {
    match function {
        Function::Equal => two(x, y, into, |x, y| u8::from(x == y)),
        Function::Less => two(x, y, into, |x, y| u8::from(x < y)),
        Function::LessEqual => two(x, y, into, |x, y| u8::from(x <= y)),
        _ => unreachable!("{function:?} gives no bool"),
    }
}

fn select(holds: &[u8], yes: &Tile, no: &Tile, into: &mut Tile, count: usize) {
    fn choose<T: Copy>(holds: &[u8], yes: &[T], no: &[T], into: &mut [T], count: usize) {
        for (((into, &holds), &yes), &no) in into.iter_mut().zip(&holds[..count]).zip(yes).zip(no) {
            *into = if holds != 0 { yes } else { no };
        }
    }
    match (yes, no, into) {
        (Tile::Bool(yes), Tile::Bool(no), Tile::Bool(into)) => choose(holds, yes, no, into, count),
        (Tile::I32(yes), Tile::I32(no), Tile::I32(into)) => choose(holds, yes, no, into, count),
        (Tile::I64(yes), Tile::I64(no), Tile::I64(into)) => choose(holds, yes, no, into, count),
        (Tile::F32(yes), Tile::F32(no), Tile::F32(into)) => choose(holds, yes, no, into, count),
        (Tile::F64(yes), Tile::F64(no), Tile::F64(into)) => choose(holds, yes, no, into, count),
        _ => unreachable!("a choice between different types"),
    }
}

fn cast(of: &Tile, into: &mut Tile, count: usize) {
    macro_rules! each {
        ($($variant:ident: $type:ty),*) => {
            match of {
                $(Tile::$variant(x) => {
                    let x = &x[..count];
                    match into {
                        Tile::Bool(into) => one(x, into, |x| u8::from(x != <$type>::default())),
                        Tile::I32(into) => one(x, into, |x| x as i32),
                        Tile::I64(into) => one(x, into, |x| x as i64),
                        Tile::F32(into) => one(x, into, |x| x as f32),
                        Tile::F64(into) => one(x, into, |x| x as f64),
                    }
                })*
            }
        };
    }
    each!(Bool: u8, I32: i32, I64: i64, F32: f32, F64: f64);
}

macro_rules! integers {
    ($module:ident, $variant:ident, $type:ty) => {
        mod $module {
            use super::{Function, Tile};

            pub fn one(function: Function, x: &[$type], into: &mut Tile) {
                let Tile::$variant(into) = into else { unreachable!("{function:?} gives its own type") };
                match function {
                    Function::Neg => super::one(x, into, <$type>::wrapping_neg),
                    Function::Abs => super::one(x, into, <$type>::wrapping_abs),
                    Function::Sign => super::one(x, into, <$type>::signum),
                    Function::Not => super::one(x, into, |x| !x),
                    _ => unreachable!("{function:?} of integers"),
                }
            }

            pub fn two(function: Function, x: &[$type], y: &[$type], into: &mut Tile) {
                match into {
                    Tile::Bool(into) => super::compare(function, x, y, into),
                    Tile::$variant(into) => match function {
                        Function::Add => super::two(x, y, into, <$type>::wrapping_add),
                        Function::Sub => super::two(x, y, into, <$type>::wrapping_sub),
                        Function::Mul => super::two(x, y, into, <$type>::wrapping_mul),
                        Function::FloorDiv => super::two(x, y, into, floor_div),
                        Function::Remainder => super::two(x, y, into, remainder),
                        Function::Pow => super::two(x, y, into, power),
                        Function::Min => super::two(x, y, into, <$type>::min),
                        Function::Max => super::two(x, y, into, <$type>::max),
                        Function::And => super::two(x, y, into, |x, y| x & y),
                        Function::Or => super::two(x, y, into, |x, y| x | y),
                        Function::Xor => super::two(x, y, into, |x, y| x ^ y),
                        Function::Shl => super::two(x, y, into, shift_left),
                        Function::Shr => super::two(x, y, into, shift_right),
                        _ => unreachable!("{function:?} of integers"),
                    },
                    _ => unreachable!("{function:?} gives its own type"),
                }
            }

            fn floor_div(x: $type, y: $type) -> $type {
                if y == 0 {
                    return 0;
                }
                let quotient = x.wrapping_div(y);
                let is_below = x.wrapping_rem(y) != 0 && (x < 0) != (y < 0);
                quotient - <$type>::from(is_below)
            }

            fn remainder(x: $type, y: $type) -> $type {
                if y == 0 {
                    return 0;
                }
                let rest = x.wrapping_rem(y);
                if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest }
            }

            /// By squares. A negative exponent was refused before.
            fn power(x: $type, y: $type) -> $type {
                let (mut base, mut left, mut result): ($type, $type, $type) = (x, y.max(0), 1);
                while left > 0 {
                    if left & 1 == 1 {
                        result = result.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    left >>= 1;
                }
                result
            }

            fn shift_left(x: $type, y: $type) -> $type {
                if (0..<$type>::BITS as $type).contains(&y) { x << y } else { 0 }
            }

            fn shift_right(x: $type, y: $type) -> $type {
                if (0..<$type>::BITS as $type).contains(&y) { x >> y } else { x >> (<$type>::BITS - 1) }
            }
        }
    };
}
integers!(integer_32, I32, i32);
integers!(integer_64, I64, i64);

macro_rules! floats {
    ($module:ident, $variant:ident, $type:ty, $algebra:ident) => {
        mod $module {
            use super::{Function, Tile, define, $algebra as Own};

            pub fn one(function: Function, x: &[$type], into: &mut Tile) {
                let into = match into {
                    Tile::Bool(into) => return super::one(x, into, |x| u8::from(x.is_nan())),
                    Tile::$variant(into) => into,
                    _ => unreachable!("{function:?} gives its own type"),
                };
                match function {
                    Function::Neg => super::one(x, into, |x| -x),
                    Function::Abs => super::one(x, into, <$type>::abs),
                    Function::Sign => super::one(x, into, sign),
                    Function::Floor => super::one(x, into, <$type>::floor),
                    Function::Ceil => super::one(x, into, <$type>::ceil),
                    Function::Round => super::one(x, into, <$type>::round_ties_even),
                    Function::Sqrt => super::one(x, into, <$type>::sqrt),
                    Function::Cbrt => super::one(x, into, |x| define::cbrt(Own, x)),
                    Function::Exp => super::one(x, into, |x| define::exp(Own, x)),
                    Function::Expm1 => super::one(x, into, |x| define::expm1(Own, x)),
                    Function::Log => super::one(x, into, |x| define::log(Own, x)),
                    Function::Log1p => super::one(x, into, |x| define::log1p(Own, x)),
                    Function::Sin => angles(x, into, |x| define::sin(Own, x), |x| define::sin_far(Own, x)),
                    Function::Cos => angles(x, into, |x| define::cos(Own, x), |x| define::cos_far(Own, x)),
                    Function::Tan => angles(x, into, |x| define::tan(Own, x), |x| define::tan_far(Own, x)),
                    Function::Tanh => super::one(x, into, |x| define::tanh(Own, x)),
                    Function::Sigmoid => super::one(x, into, |x| define::sigmoid(Own, x)),
                    Function::Gelu => super::one(x, into, |x| define::gelu(Own, x)),
                    _ => unreachable!("{function:?} of floats"),
                }
            }

            pub fn two(function: Function, x: &[$type], y: &[$type], into: &mut Tile) {
                match into {
                    Tile::Bool(into) => super::compare(function, x, y, into),
                    Tile::$variant(into) => match function {
                        Function::Add => super::two(x, y, into, |x, y| x + y),
                        Function::Sub => super::two(x, y, into, |x, y| x - y),
                        Function::Mul => super::two(x, y, into, |x, y| x * y),
                        Function::Div => super::two(x, y, into, |x, y| x / y),
                        Function::FloorDiv => super::two(x, y, into, floor_div),
                        Function::Remainder => super::two(x, y, into, remainder),
                        Function::Pow => super::two(x, y, into, |x, y| define::pow(Own, x, y)),
                        Function::Min => super::two(x, y, into, |x, y| if x < y || x.is_nan() { x } else { y }),
                        Function::Max => super::two(x, y, into, |x, y| if x > y || x.is_nan() { x } else { y }),
                        _ => unreachable!("{function:?} of floats"),
                    },
                    _ => unreachable!("{function:?} gives its own type"),
                }
            }

            /// Vector code for all, and then the few that are too large for it.
            fn angles(x: &[$type], into: &mut [$type], near: impl Fn($type) -> $type, far: impl Fn($type) -> $type) {
                super::one(x, into, near);
                for (into, &x) in into.iter_mut().zip(x) {
                    if x.abs() > define::limit::<Own>() as $type {
                        *into = far(x);
                    }
                }
            }

            fn sign(x: $type) -> $type {
                if x.is_nan() { x } else { <$type>::from(i8::from(x > 0.0) - i8::from(x < 0.0)) }
            }

            /// As Python and NumPy: what `%` leaves, moved to the sign of the divisor.
            fn remainder(x: $type, y: $type) -> $type {
                let rest = x % y;
                match rest {
                    0.0 => (0.0 as $type).copysign(y),
                    rest if (rest < 0.0) != (y < 0.0) => rest + y,
                    rest => rest,
                }
            }

            /// As Python and NumPy: the nearest integer to (x - remainder) / y.
            fn floor_div(x: $type, y: $type) -> $type {
                if y == 0.0 {
                    return x / y;
                }
                let rest = x % y;
                let moved = rest != 0.0 && (rest < 0.0) != (y < 0.0);
                let quotient = (x - rest) / y - if moved { 1.0 } else { 0.0 };
                if quotient == 0.0 {
                    return (0.0 as $type).copysign(x / y);
                }
                let floor = quotient.floor();
                if quotient - floor > 0.5 { floor + 1.0 } else { floor }
            }
        }
    };
}
floats!(single, F32, f32, Single);
floats!(double, F64, f64, Double);
