//! What sorts, and what has as many results as its data says.

use std::cmp::Ordering;

use ops::{DType, Element, Shape, with_element};

use super::view::View;

/// Ascending, NaN last; all NaN are equal.
fn compare<T: Element>(x: &T, y: &T) -> Ordering {
    x.partial_cmp(y).unwrap_or_else(|| {
        let is_nan = |x: &T| x.partial_cmp(x).is_none();
        is_nan(x).cmp(&is_nan(y))
    })
}

/// The sorted lines of the last axis, and the places that the elements had.
pub(super) fn sort(of: &View) -> Vec<View> {
    let length = of.lengths().last().copied().unwrap_or(1);
    with_element!(of.dtype(), T => {
        let mut all = of.to_vec::<T>();
        let mut places = Vec::with_capacity(all.len());
        let mut line_places: Vec<usize> = Vec::with_capacity(length);
        for line in all.chunks_mut(length.max(1)) {
            line_places.clear();
            line_places.extend(0..line.len());
            line_places.sort_by(|&x, &y| compare(&line[x], &line[y]));
            let sorted: Vec<T> = line_places.iter().map(|&place| line[place]).collect();
            line.copy_from_slice(&sorted);
            places.extend(line_places.iter().map(|&place| place as i64));
        }
        vec![View::new(of.shape.clone(), all), View::new(of.shape.clone(), places)]
    })
}

pub(super) fn nonzero(of: &View, is_flat: bool) -> View {
    let all = of.to_vec::<u8>();
    let found = all.iter().enumerate().filter(|(_, holds)| **holds != 0).map(|(place, _)| place);
    if is_flat {
        let places: Vec<i64> = found.map(|place| place as i64).collect();
        return View::new(Shape::from([places.len()]), places);
    }
    let (rank, mut places, mut count) = (of.shape.rank(), Vec::new(), 0);
    for place in found {
        let (mut rest, start) = (place, places.len());
        places.resize(start + rank, 0);
        for axis in (0..rank).rev() {
            places[start + axis] = (rest % of.lengths()[axis]) as i64;
            rest /= of.lengths()[axis];
        }
        count += 1;
    }
    View::new(Shape::from([count, rank]), places)
}

pub(super) fn unique(of: &View, axis: usize) -> Vec<View> {
    with_element!(of.dtype(), T => {
        let rank = of.shape.rank();
        let order: Vec<usize> = [axis].into_iter().chain((0..rank).filter(|&other| other != axis)).collect();
        let moved = of.clone().permute(&order);
        let (count, all) = (of.lengths()[axis], moved.to_vec::<T>());
        let size = all.len().checked_div(count).unwrap_or(0);
        let slice = |place: usize| &all[place * size..][..size];
        let order = |x: &[T], y: &[T]| {
            let pairs = x.iter().zip(y);
            pairs.map(|(x, y)| compare(x, y)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
        };
        let mut sorted: Vec<usize> = (0..count).collect();
        sorted.sort_by(|&x, &y| order(slice(x), slice(y)));
        let (mut values, mut counts, mut inverse) = (Vec::new(), Vec::<i64>::new(), vec![0_i64; count]);
        let mut last: Option<usize> = None;
        for place in sorted {
            if last.is_none_or(|last| order(slice(last), slice(place)).is_ne()) {
                values.extend_from_slice(slice(place));
                counts.push(0);
            }
            last = Some(place);
            let run = counts.len() - 1;
            counts[run] += 1;
            inverse[place] = run as i64;
        }
        let mut back: Vec<usize> = (1..rank).collect();
        back.insert(axis, 0);
        let found = counts.len();
        let values = View::new(moved.shape.with(0, found), values).permute(&back);
        let line = |list: Vec<i64>| View::new(Shape::from([list.len()]), list);
        vec![values, line(inverse), line(counts)]
    })
}

pub(super) fn bincount(arguments: &[View], minlength: usize) -> View {
    let numbers = arguments[0].to_vec::<i64>();
    let length = numbers.iter().max().map_or(0, |&largest| largest as usize + 1).max(minlength);
    let shape = Shape::from([length]);
    match arguments.get(1) {
        None => {
            let mut counts = vec![0_i64; length];
            numbers.iter().for_each(|&number| counts[number as usize] += 1);
            View::new(shape, counts)
        }
        Some(weights) => {
            debug_assert_eq!(weights.dtype(), DType::F64);
            let mut sums = vec![0_f64; length];
            numbers.iter().zip(weights.to_vec::<f64>()).for_each(|(&number, weight)| sums[number as usize] += weight);
            View::new(shape, sums)
        }
    }
}
