//! What copies elements to other places.

use ops::{DType, Element, Shape, with_element};

use super::view::View;

/// Elements before and after an axis, and of it: an array as a stack of slices along the axis.
fn around(shape: &Shape, axis: usize) -> (usize, usize) {
    let lengths = shape.lengths();
    (lengths[..axis].iter().product(), lengths[axis + 1..].iter().product())
}

pub(super) fn concat(parts: &[View], axis: usize, shape: Shape) -> View {
    with_element!(parts[0].dtype(), T => {
        let (outer, inner) = around(&shape, axis);
        let sources: Vec<(Vec<T>, usize)> =
            parts.iter().map(|part| (part.to_vec::<T>(), part.lengths()[axis] * inner)).collect();
        let mut elements = Vec::with_capacity(shape.count());
        for number in 0..outer {
            for (source, run) in &sources {
                elements.extend_from_slice(&source[number * run..][..*run]);
            }
        }
        View::new(shape, elements)
    })
}

pub(super) fn pad(of: &View, with: &View, widths: &[(usize, usize)], shape: Shape) -> View {
    with_element!(of.dtype(), T => {
        let value = with.to_vec::<T>()[0];
        let mut elements = vec![value; shape.count()];
        let source = of.to_vec::<T>();
        let Some(&last) = of.lengths().last() else { return View::new(shape, source) };
        // Line by line of the last axis.
        let mut index = vec![0; of.shape.rank()];
        for line in source.chunks(last.max(1)) {
            let place = index.iter().zip(widths).zip(shape.lengths()).fold(0, |place, ((i, (before, _)), length)| {
                place * length + i + before
            });
            elements[place..][..line.len()].copy_from_slice(line);
            for axis in (0..index.len() - 1).rev() {
                index[axis] += 1;
                if index[axis] < of.lengths()[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        View::new(shape, elements)
    })
}

/// Places were checked before.
pub(super) fn gather(of: &View, places: &View, axis: usize, shape: Shape) -> View {
    with_element!(of.dtype(), T => {
        let (outer, inner) = around(&of.shape, axis);
        let (source, places, length) = (of.to_vec::<T>(), places.to_vec::<i64>(), of.lengths()[axis]);
        let mut elements = Vec::with_capacity(shape.count());
        for number in 0..outer {
            for &place in &places {
                let from = (number * length + place as usize) * inner;
                elements.extend_from_slice(&source[from..][..inner]);
            }
        }
        View::new(shape, elements)
    })
}

pub(super) fn gather_along(of: &View, places: &View, axis: usize, shape: Shape) -> View {
    with_element!(of.dtype(), T => {
        let (lines, length) = of.lines::<T>(axis);
        let (places_of, count) = places.lines::<i64>(axis);
        let line = |number: usize| &lines[number * length..][..length];
        let taken = places_of.iter().enumerate().map(|(n, &place)| line(n / count.max(1))[place as usize]);
        let taken: Vec<T> = taken.collect();
        let mut result = super::fold::back(places, axis, taken);
        result.shape = shape;
        result
    })
}

/// Along the first axis.
pub(super) fn scatter(arguments: &[View], adds: bool, shape: Shape) -> View {
    let places = arguments[1].to_vec::<i64>();
    let (_, inner) = around(&shape, 0);
    with_element!(arguments[0].dtype(), T => {
        let (mut base, updates) = (arguments[0].to_vec::<T>(), arguments[2].to_vec::<T>());
        for (number, &place) in places.iter().enumerate() {
            let (to, from) = (place as usize * inner, number * inner);
            for n in 0..inner {
                base[to + n] = if adds { sum(base[to + n], updates[from + n]) } else { updates[from + n] };
            }
        }
        View::new(shape, base)
    })
}

fn sum<T: Element>(x: T, y: T) -> T {
    match (T::DTYPE, x.to_number(), y.to_number()) {
        (DType::F32 | DType::F64, x, y) => T::from_number((x.to_f64() + y.to_f64()).into()),
        (_, x, y) => T::from_number(x.to_i64().wrapping_add(y.to_i64()).into()),
    }
}
