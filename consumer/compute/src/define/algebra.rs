//! What definitions are made of.

/// Arithmetic of one float type, whose bits are an integer of the same width. All of it is without
/// branches, so that a loop over a definition becomes vector code.
pub trait Algebra: Copy {
    type Value: Copy;
    type Truth: Copy;
    /// A signed integer of the width of a value.
    type Bits: Copy;

    /// Bits of a fraction as it is stored: 23 or 52.
    const FRACTION: u32;
    /// What is added to an exponent as it is stored: 127 or 1023.
    const BIAS: i64;
    /// Terms that a series of the exponential, and of the logarithm, needs.
    const EXP_TERMS: usize;
    const LOG_TERMS: usize;

    fn number(self, number: f64) -> Self::Value;
    fn add(self, x: Self::Value, y: Self::Value) -> Self::Value;
    fn sub(self, x: Self::Value, y: Self::Value) -> Self::Value;
    fn mul(self, x: Self::Value, y: Self::Value) -> Self::Value;
    fn div(self, x: Self::Value, y: Self::Value) -> Self::Value;
    fn sqrt(self, x: Self::Value) -> Self::Value;

    fn less(self, x: Self::Value, y: Self::Value) -> Self::Truth;
    /// Whether it is a NaN.
    fn is_nan(self, x: Self::Value) -> Self::Truth;
    fn equal(self, x: Self::Value, y: Self::Value) -> Self::Truth;
    fn and(self, x: Self::Truth, y: Self::Truth) -> Self::Truth;
    fn or(self, x: Self::Truth, y: Self::Truth) -> Self::Truth;
    fn not(self, x: Self::Truth) -> Self::Truth;
    fn select(self, holds: Self::Truth, yes: Self::Value, no: Self::Value) -> Self::Value;

    fn to_bits(self, x: Self::Value) -> Self::Bits;
    fn with_bits(self, bits: Self::Bits) -> Self::Value;
    fn integer(self, number: i64) -> Self::Bits;
    fn add_bits(self, x: Self::Bits, y: Self::Bits) -> Self::Bits;
    fn sub_bits(self, x: Self::Bits, y: Self::Bits) -> Self::Bits;
    fn and_bits(self, x: Self::Bits, y: Self::Bits) -> Self::Bits;
    fn or_bits(self, x: Self::Bits, y: Self::Bits) -> Self::Bits;
    fn left(self, x: Self::Bits, by: u32) -> Self::Bits;
    /// With the sign kept.
    fn right(self, x: Self::Bits, by: u32) -> Self::Bits;
    fn equal_bits(self, x: Self::Bits, y: Self::Bits) -> Self::Truth;
    /// As a float. Exact for integers that a float holds.
    fn to_value(self, x: Self::Bits) -> Self::Value;

    /// A finite angle above `limit` as quarter turns, and a rest as a sum of two.
    fn reduce_far(self, x: Self::Value) -> (Self::Bits, Self::Value, Self::Value);

    fn neg(self, x: Self::Value) -> Self::Value {
        self.sub(self.number(-0.0), x)
    }

    /// Without its sign.
    fn abs(self, x: Self::Value) -> Self::Value {
        self.with_bits(self.and_bits(self.to_bits(x), self.magnitude()))
    }

    /// All bits but the sign.
    fn magnitude(self) -> Self::Bits;

    /// The first with the sign of the second.
    fn copy_sign(self, x: Self::Value, sign: Self::Value) -> Self::Value {
        let magnitude = self.and_bits(self.to_bits(x), self.magnitude());
        let low = self.and_bits(self.to_bits(sign), self.magnitude());
        let sign = self.sub_bits(self.to_bits(sign), low);
        self.with_bits(self.or_bits(magnitude, sign))
    }

    /// The nearest integer, ties to even, and the same as bits, for a value of at most 2^(FRACTION - 2):
    /// adding 1.5 * 2^FRACTION leaves no room for a fraction.
    fn round(self, x: Self::Value) -> (Self::Value, Self::Bits) {
        let magic = self.number(1.5 * (1_u64 << Self::FRACTION) as f64);
        let shifted = self.add(x, magic);
        (self.sub(shifted, magic), self.sub_bits(self.to_bits(shifted), self.to_bits(magic)))
    }

    /// 2^n, for an n whose exponent is stored as such: no subnormal number, no infinity.
    fn power_of_two(self, n: Self::Bits) -> Self::Value {
        self.with_bits(self.left(self.add_bits(n, self.integer(Self::BIAS)), Self::FRACTION))
    }

    /// x 2^n for any n that 4 times the range of exponents covers, rounded once or at a subnormal result
    /// twice.
    fn scale(self, x: Self::Value, n: Self::Bits) -> Self::Value {
        let half = self.right(n, 1);
        let rest = self.sub_bits(n, half);
        self.mul(self.mul(x, self.power_of_two(half)), self.power_of_two(rest))
    }
}
