//! The cube root.

use super::Algebra;
use super::logarithm::split;
use super::polynomial::{two_product, two_sum};

/// With x = 2^k m and k = 3 q + r, the root is 2^q times that of 2^r m: a first guess, and steps of
/// Newton's rule, the last one with the exact cube.
#[inline(always)]
pub fn cbrt<A: Algebra>(a: A, x: A::Value) -> A::Value {
    let size = a.abs(x);
    let (k, m) = split(a, size);
    let (third, q) = a.round(a.mul(k, a.number(1.0 / 3.0)));
    // -1, 0 or 1
    let r = a.sub(k, a.mul(third, a.number(3.0)));
    let factor = a.select(a.less(a.number(0.5), r), a.number(2.0), a.number(1.0));
    let factor = a.select(a.less(r, a.number(-0.5)), a.number(0.5), factor);
    let y = a.mul(m, factor);
    // A line through (0.35, 0.70) and (2.83, 1.41) is within 12 percent.
    let mut root = a.add(a.mul(y, a.number(0.286)), a.number(0.64));
    for _ in 0..if A::FRACTION == 23 { 3 } else { 4 } {
        let square = a.mul(root, root);
        let step = a.div(a.sub(a.div(y, square), root), a.number(3.0));
        root = a.add(root, step);
    }
    // root^3 - y exactly enough, so that the last step is right.
    let (square, square_rest) = two_product(a, root, root);
    let (cube, cube_rest) = two_product(a, square, root);
    let (error, error_rest) = two_sum(a, cube, a.neg(y));
    let error = a.add(error, a.add(error_rest, a.add(cube_rest, a.mul(square_rest, root))));
    let root = a.sub(root, a.div(error, a.mul(a.number(3.0), square)));
    let result = a.copy_sign(a.mul(root, a.power_of_two(q)), x);
    let keeps = a.or(a.is_nan(x), a.or(a.equal(x, a.number(0.0)), a.equal(size, a.number(f64::INFINITY))));
    a.select(keeps, x, result)
}
