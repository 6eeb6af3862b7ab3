//! Products of matrices, and their inverse.

use ops::{DType, OpError, Shape};

use super::view::View;

pub(super) fn matmul(one: &View, other: &View, shape: Shape) -> View {
    match one.dtype() {
        DType::F32 => batches(one, other, shape, |x: &[f32], y, z, sizes| floats(x, y, z, sizes)),
        DType::F64 => batches(one, other, shape, |x: &[f64], y, z, sizes| floats(x, y, z, sizes)),
        DType::I32 => batches(one, other, shape, |x: &[i32], y, z, sizes| {
            terms(x, y, z, sizes, |sum, x, y| sum.wrapping_add(x.wrapping_mul(y)));
        }),
        DType::I64 => batches(one, other, shape, |x: &[i64], y, z, sizes| {
            terms(x, y, z, sizes, |sum, x, y| sum.wrapping_add(x.wrapping_mul(y)));
        }),
        DType::Bool => unreachable!("bools are multiplied as integers"),
    }
}

/// Rows, inner length, columns.
type Sizes = [usize; 3];

fn batches<T: ops::Element>(
    one: &View,
    other: &View,
    shape: Shape,
    multiply: impl Fn(&[T], &[T], &mut [T], Sizes),
) -> View {
    let rank = shape.rank();
    let (rows, columns) = (shape.lengths()[rank - 2], shape.lengths()[rank - 1]);
    let inner = one.lengths()[rank - 1];
    let mut results = vec![T::default(); shape.count()];
    let (x, y) = (one.to_vec::<T>(), other.to_vec::<T>());
    for (number, z) in results.chunks_mut((rows * columns).max(1)).enumerate() {
        let (x, y) = (&x[number * rows * inner..][..rows * inner], &y[number * inner * columns..][..inner * columns]);
        multiply(x, y, z, [rows, inner, columns]);
    }
    View::new(shape, results)
}

fn floats<T: super::fold::Float>(x: &[T], y: &[T], z: &mut [T], sizes: Sizes) {
    terms(x, y, z, sizes, |sum, x, y| sum + x * y);
}

/// Row by row; each row of the result is a sum of rows of the right matrix.
fn terms<T: ops::Element>(x: &[T], y: &[T], z: &mut [T], [rows, inner, columns]: Sizes, join: impl Fn(T, T, T) -> T) {
    for row in 0..rows {
        let into = &mut z[row * columns..][..columns];
        for n in 0..inner {
            let factor = x[row * inner + n];
            for (into, &y) in into.iter_mut().zip(&y[n * columns..][..columns]) {
                *into = join(*into, factor, y);
            }
        }
    }
}

/// Of each matrix, in float64, by Gauss and Jordan's elimination with the largest pivot of each column.
pub(super) fn inverse(of: &View) -> Result<View, OpError> {
    let size = of.lengths().last().copied().unwrap_or(0);
    let is_single = of.dtype() == DType::F32;
    let all: Vec<f64> = match of.dtype() {
        DType::F32 => of.to_vec::<f32>().into_iter().map(f64::from).collect(),
        _ => of.to_vec::<f64>(),
    };
    let mut results = Vec::with_capacity(all.len());
    for matrix in all.chunks((size * size).max(1)) {
        results.extend(invert(matrix, size)?);
    }
    Ok(match is_single {
        true => View::new(of.shape.clone(), results.into_iter().map(|x| x as f32).collect::<Vec<f32>>()),
        false => View::new(of.shape.clone(), results),
    })
}

fn invert(matrix: &[f64], size: usize) -> Result<Vec<f64>, OpError> {
    let mut left = matrix.to_vec();
    let mut right: Vec<f64> = (0..size * size).map(|n| f64::from(n / size.max(1) == n % size.max(1))).collect();
    for column in 0..size {
        let size_of = |row: usize, left: &[f64]| left[row * size + column].abs();
        let pivot = (column..size).max_by(|&one, &other| size_of(one, &left).total_cmp(&size_of(other, &left)));
        let pivot = pivot.filter(|&row| left[row * size + column] != 0.0);
        let pivot = pivot.ok_or_else(|| OpError::new("the matrix is singular"))?;
        for n in 0..size {
            left.swap(pivot * size + n, column * size + n);
            right.swap(pivot * size + n, column * size + n);
        }
        let divisor = left[column * size + column];
        for n in 0..size {
            left[column * size + n] /= divisor;
            right[column * size + n] /= divisor;
        }
        for row in (0..size).filter(|&row| row != column) {
            let factor = left[row * size + column];
            for n in 0..size {
                left[row * size + n] -= factor * left[column * size + n];
                right[row * size + n] -= factor * right[column * size + n];
            }
        }
    }
    Ok(right)
}
