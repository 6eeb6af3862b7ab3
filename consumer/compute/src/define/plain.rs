//! Floats of this machine as an algebra.

use super::Algebra;

macro_rules! plain {
    (
        $(#[$about:meta])* $name:ident: $float:ty, $bits:ty, $unsigned:ty,
        $fraction:literal, $bias:literal, $exp:literal, $log:literal
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Algebra for $name {
            type Value = $float;
            type Truth = bool;
            type Bits = $bits;

            const FRACTION: u32 = $fraction;
            const BIAS: i64 = $bias;
            const EXP_TERMS: usize = $exp;
            const LOG_TERMS: usize = $log;

            #[inline(always)]
            fn number(self, number: f64) -> $float {
                number as $float
            }

            #[inline(always)]
            fn add(self, x: $float, y: $float) -> $float {
                x + y
            }

            #[inline(always)]
            fn sub(self, x: $float, y: $float) -> $float {
                x - y
            }

            #[inline(always)]
            fn mul(self, x: $float, y: $float) -> $float {
                x * y
            }

            #[inline(always)]
            fn div(self, x: $float, y: $float) -> $float {
                x / y
            }

            #[inline(always)]
            fn sqrt(self, x: $float) -> $float {
                x.sqrt()
            }

            #[inline(always)]
            fn less(self, x: $float, y: $float) -> bool {
                x < y
            }

            #[inline(always)]
            fn is_nan(self, x: $float) -> bool {
                x.is_nan()
            }

            #[inline(always)]
            fn equal(self, x: $float, y: $float) -> bool {
                x == y
            }

            #[inline(always)]
            fn and(self, x: bool, y: bool) -> bool {
                x & y
            }

            #[inline(always)]
            fn or(self, x: bool, y: bool) -> bool {
                x | y
            }

            #[inline(always)]
            fn not(self, x: bool) -> bool {
                !x
            }

            #[inline(always)]
            fn select(self, holds: bool, yes: $float, no: $float) -> $float {
                if holds { yes } else { no }
            }

            #[inline(always)]
            fn to_bits(self, x: $float) -> $bits {
                x.to_bits() as $bits
            }

            #[inline(always)]
            fn with_bits(self, bits: $bits) -> $float {
                <$float>::from_bits(bits as $unsigned)
            }

            #[inline(always)]
            fn integer(self, number: i64) -> $bits {
                number as $bits
            }

            #[inline(always)]
            fn add_bits(self, x: $bits, y: $bits) -> $bits {
                x.wrapping_add(y)
            }

            #[inline(always)]
            fn sub_bits(self, x: $bits, y: $bits) -> $bits {
                x.wrapping_sub(y)
            }

            #[inline(always)]
            fn and_bits(self, x: $bits, y: $bits) -> $bits {
                x & y
            }

            #[inline(always)]
            fn or_bits(self, x: $bits, y: $bits) -> $bits {
                x | y
            }

            #[inline(always)]
            fn left(self, x: $bits, by: u32) -> $bits {
                x << by
            }

            #[inline(always)]
            fn right(self, x: $bits, by: u32) -> $bits {
                x >> by
            }

            #[inline(always)]
            fn equal_bits(self, x: $bits, y: $bits) -> bool {
                x == y
            }

            #[inline(always)]
            fn to_value(self, x: $bits) -> $float {
                x as $float
            }

            fn reduce_far(self, x: $float) -> ($bits, $float, $float) {
                if !x.is_finite() {
                    return (0, x, 0.0);
                }
                let (turns, high, low) = super::far_angle::reduce(x.into());
                let rest = high as $float;
                (turns as $bits, rest, ((high - f64::from(rest)) + low) as $float)
            }

            #[inline(always)]
            fn magnitude(self) -> $bits {
                <$bits>::MAX
            }
        }
    };
}

plain! {
    /// f32.
    Single: f32, i32, u32, 23, 127, 8, 5
}
plain! {
    /// f64.
    Double: f64, i64, u64, 52, 1023, 14, 12
}
