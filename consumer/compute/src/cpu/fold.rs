//! Folds along axes, places of extremes, and running sums.

use ops::lower::Fold;
use ops::{DType, Element, Shape};

use super::view::View;

/// Sums kept beside each other, so that the processor adds them at once. Where a sum is cut depends on
/// its length alone, so that the same elements give the same bits.
const LANES: usize = 16;

/// Elements that are summed lane by lane before the sums are added up pairwise: the error grows with
/// the logarithm of the number of such blocks.
const BLOCK: usize = 1024;

pub(super) fn reduce(of: &View, fold: Fold, axes: &[usize], shape: Shape) -> View {
    // The folded axes last: each line is one result.
    let kept = (0..of.shape.rank()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = kept.chain(axes.iter().copied()).collect();
    let length: usize = axes.iter().map(|&axis| of.lengths()[axis]).product();
    let moved = of.clone().permute(&order);
    match of.dtype() {
        DType::Bool => lines::<u8>(&moved, length, shape, |line| match fold {
            Fold::Any | Fold::Max => u8::from(line.contains(&1)),
            _ => u8::from(!line.contains(&0)),
        }),
        DType::I32 => {
            lines::<i32>(&moved, length, shape, |line| integers(line, fold, i32::wrapping_add, i32::wrapping_mul))
        }
        DType::I64 => {
            lines::<i64>(&moved, length, shape, |line| integers(line, fold, i64::wrapping_add, i64::wrapping_mul))
        }
        DType::F32 => lines::<f32>(&moved, length, shape, |line| floats(line, fold, 1.0)),
        DType::F64 => lines::<f64>(&moved, length, shape, |line| floats(line, fold, 1.0)),
    }
}

/// One result for each line of so many elements.
fn lines<T: Element>(of: &View, length: usize, shape: Shape, fold: impl Fn(&[T]) -> T) -> View {
    let count = shape.count();
    let mut results = Vec::with_capacity(count);
    match of.slice::<T>() {
        Some(all) => results.extend((0..count).map(|line| fold(&all[line * length..][..length]))),
        None => {
            let mut line = vec![T::default(); length];
            for number in 0..count {
                of.read(number * length, &mut line);
                results.push(fold(&line));
            }
        }
    }
    View::new(shape, results)
}

fn integers<T: Element + Ord + From<bool>>(line: &[T], fold: Fold, add: fn(T, T) -> T, mul: fn(T, T) -> T) -> T {
    match fold {
        Fold::Sum => line.iter().copied().fold(T::default(), add),
        Fold::Prod => line.iter().copied().fold(T::from(true), mul),
        Fold::Min => line.iter().copied().min().unwrap_or_default(),
        _ => line.iter().copied().max().unwrap_or_default(),
    }
}

/// A float type.
pub(super) trait Float:
    Element + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self> + std::ops::Sub<Output = Self>
{
}
impl Float for f32 {}
impl Float for f64 {}

fn floats<T: Float>(line: &[T], fold: Fold, one: T) -> T {
    match fold {
        Fold::Sum => pairwise(line, T::default(), |x, y| x + y),
        Fold::Prod => pairwise(line, one, |x, y| x * y),
        Fold::Min => extreme(line, |x, y| x < y),
        _ => extreme(line, |x, y| x > y),
    }
}

fn pairwise<T: Float>(line: &[T], start: T, join: impl Fn(T, T) -> T + Copy) -> T {
    if line.len() > BLOCK {
        // The first part is whole blocks, half of them.
        let half = line.len().div_ceil(BLOCK).div_ceil(2) * BLOCK;
        return join(pairwise(&line[..half], start, join), pairwise(&line[half..], start, join));
    }
    let mut lanes = [start; LANES];
    let chunks = line.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = join(*lane, x);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = join(*lane, x);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// The first element that no other is before; a NaN is before all.
fn extreme<T: Float>(line: &[T], is_before: impl Fn(T, T) -> bool) -> T {
    let Some((&first, rest)) = line.split_first() else { return T::default() };
    let is_nan = |x: T| x.partial_cmp(&x).is_none();
    rest.iter().fold(first, |best, &x| if !is_nan(best) && (is_nan(x) || is_before(x, best)) { x } else { best })
}

pub(super) fn argmax(of: &View, axis: usize, shape: Shape) -> View {
    ops::with_element!(of.dtype(), T => {
        let (all, length) = of.lines::<T>(axis);
        let places = (0..shape.count()).map(|line| largest(&all[line * length..][..length]));
        let places = places.collect();
        View::new::<i64>(shape, places)
    })
}

/// The place of the first largest element, or of the first NaN.
fn largest<T: Element>(line: &[T]) -> i64 {
    let mut best = 0;
    for (place, x) in line.iter().enumerate() {
        let known = &line[best];
        let is_nan = |x: &T| x.partial_cmp(x).is_none();
        if !is_nan(known) && (is_nan(x) || x > known) {
            best = place;
        }
    }
    best as i64
}

pub(super) fn cumsum(of: &View, axis: usize) -> View {
    match of.dtype() {
        DType::I32 => running(of, axis, i32::wrapping_add),
        DType::I64 => running(of, axis, i64::wrapping_add),
        DType::F32 => running(of, axis, |x: f32, y| x + y),
        DType::F64 => running(of, axis, |x: f64, y| x + y),
        DType::Bool => unreachable!("bools are summed as integers"),
    }
}

fn running<T: Element>(of: &View, axis: usize, add: impl Fn(T, T) -> T) -> View {
    let (mut all, length) = of.lines::<T>(axis);
    for line in all.chunks_mut(length.max(1)) {
        for place in 1..line.len() {
            line[place] = add(line[place - 1], line[place]);
        }
    }
    back(of, axis, all)
}

/// Lines along an axis as an array of the old shape.
pub(super) fn back<T: Element>(of: &View, axis: usize, lines: Vec<T>) -> View {
    let rank = of.shape.rank();
    let order: Vec<usize> = (0..rank).filter(|&other| other != axis).chain([axis]).collect();
    let lengths: Vec<usize> = order.iter().map(|&from| of.lengths()[from]).collect();
    let mut places = vec![0; rank];
    order.iter().enumerate().for_each(|(place, &from)| places[from] = place);
    View::new(Shape::new(lengths), lines).permute(&places)
}
