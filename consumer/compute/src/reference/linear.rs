//! Products of matrices, and their inverse.

use ops::Number::{self, Float};
use ops::ops::arithmetic::Multiply;
use ops::ops::linear::{Dot, Einsum, Inverse, Matmul};
use ops::{DType, OpError};

use super::array::{indices, promoted};
use super::fold::Total;
use super::{Array, Reference};

/// The sum of products of pairs.
fn dot(dtype: DType, pairs: impl Iterator<Item = (Number, Number)>) -> Number {
    let mut total = Total::new(dtype);
    pairs.for_each(|(x, y)| total.add_product(x, y));
    total.number()
}

impl Reference for Matmul {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let inputs = promoted(inputs);
        let (is_row, is_column) = (inputs[0].shape.len() == 1, inputs[1].shape.len() == 1);
        let inner = inputs[0].shape[inputs[0].shape.len() - 1];
        let left = if is_row { inputs[0].reshaped(&[1, inner]) } else { inputs[0].clone() };
        let right = if is_column { inputs[1].reshaped(&[inner, 1]) } else { inputs[1].clone() };
        let split = |array: &Array| {
            let (stack, matrix) = array.shape.split_at(array.shape.len() - 2);
            (ops::Shape::from(stack), matrix.to_vec())
        };
        let ((stack, rows), (other, columns)) = (split(&left), split(&right));
        let stack = stack.broadcast(&other)?;
        let depth = stack.rank();
        let whole = [stack.lengths(), &[rows[0], columns[1]]].concat();
        let mut product = Array::from_fn(left.dtype, &whole, |index| {
            let pair = |k: usize| {
                let at = |array: &Array, matrix: [usize; 2]| array.broadcast_at(&[&index[..depth], &matrix].concat());
                (at(&left, [index[depth], k]), at(&right, [k, index[depth + 1]]))
            };
            dot(left.dtype, (0..inner).map(pair))
        });
        // The axes that made a matrix of a row or a column leave again.
        if is_column {
            product.shape.remove(depth + 1);
        }
        if is_row {
            product.shape.remove(depth);
        }
        Ok(vec![product])
    }
}

impl Reference for Dot {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let inputs = promoted(inputs);
        let (left, right) = (&inputs[0], &inputs[1]);
        let Some(last) = left.shape.len().checked_sub(1).filter(|_| !right.shape.is_empty()) else {
            return Multiply {}.evaluate(&inputs);
        };
        let axis = right.shape.len().saturating_sub(2);
        let shape = [&left.shape[..last], &right.shape[..axis], &right.shape[axis + 1..]].concat();
        Ok(vec![Array::from_fn(left.dtype, &shape, |index| {
            let (one, other) = index.split_at(last);
            let pair =
                |k: usize| (left.at(&[one, &[k]].concat()), right.at(&[&other[..axis], &[k], &other[axis..]].concat()));
            dot(left.dtype, (0..left.shape[last]).map(pair))
        })])
    }
}

/// The letters of each input's axes, and of the result's.
fn letters(equation: &str) -> (Vec<Vec<char>>, Vec<char>) {
    let equation: String = equation.split_whitespace().collect();
    let (inputs, output) = match equation.split_once("->") {
        Some((inputs, output)) => (inputs, Some(output)),
        None => (&equation[..], None),
    };
    let mut once: Vec<char> = inputs.chars().filter(|&letter| letter != ',').collect();
    let output = match output {
        Some(output) => output.chars().collect(),
        None => {
            once.retain(|letter| inputs.matches(*letter).count() == 1);
            once.sort_unstable();
            once
        }
    };
    (inputs.split(',').map(|letters| letters.chars().collect()).collect(), output)
}

impl Reference for Einsum {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let (axes, output) = letters(&self.equation);
        let inputs = promoted(inputs);
        let mut summed: Vec<char> = axes.concat();
        summed.retain(|letter| !output.contains(letter));
        summed.sort_unstable();
        summed.dedup();
        // As in broadcasting, the length of a letter is the one that is not 1.
        let length = |letter: &char| {
            let own = |(axes, input): (&Vec<char>, &Array)| Some(input.shape[axes.iter().position(|x| x == letter)?]);
            axes.iter().zip(&inputs).filter_map(own).find(|&length| length != 1).unwrap_or(1)
        };
        let shape = |letters: &[char]| letters.iter().map(length).collect::<Vec<_>>();
        let all = [&output[..], &summed].concat();
        let dtype = inputs[0].dtype;
        Ok(vec![Array::from_fn(dtype, &shape(&output), |kept| {
            let mut total = Total::new(dtype);
            for index in indices(&shape(&summed)) {
                let index = [kept, &index].concat();
                let place = |letter: &char| all.iter().position(|x| x == letter).map_or(0, |place| index[place]);
                let element = |(axes, input): (&Vec<char>, &Array)| {
                    input.broadcast_at(&axes.iter().map(place).collect::<Vec<_>>())
                };
                match axes.iter().zip(&inputs).map(element).collect::<Vec<_>>()[..] {
                    [x, y] => total.add_product(x, y),
                    ref factors => factors.iter().for_each(|&x| total.add(x)),
                }
            }
            total.number()
        })])
    }
}

impl Reference for Inverse {
    fn evaluate(&self, inputs: &[Array]) -> Result<Vec<Array>, OpError> {
        let input = &inputs[0];
        let size = input.shape[input.shape.len() - 1];
        let mut elements = Vec::new();
        for matrix in input.elements.chunks((size * size).max(1)) {
            let rows = matrix.chunks(size).map(|row| row.iter().map(|x| x.to_f64()).collect()).collect();
            elements.extend(inverse(rows)?.into_iter().flatten().map(Float));
        }
        Ok(vec![Array::new(input.dtype.to_float(), &input.shape, elements)])
    }
}

/// By Gauss and Jordan, with the largest element of a column as its pivot; NaN is the largest.
fn inverse(mut rows: Vec<Vec<f64>>) -> Result<Vec<Vec<f64>>, OpError> {
    let size = rows.len();
    for (place, row) in rows.iter_mut().enumerate() {
        row.extend((0..size).map(|column| if column == place { 1.0 } else { 0.0 }));
    }
    for column in 0..size {
        let pivot = (column..size).max_by(|&x, &y| rows[x][column].abs().total_cmp(&rows[y][column].abs()));
        rows.swap(column, pivot.unwrap_or(column));
        let divisor = rows[column][column];
        if divisor == 0.0 {
            return Err(OpError::new("the matrix is singular"));
        }
        rows[column].iter_mut().for_each(|x| *x /= divisor);
        let pivot = rows[column].clone();
        for row in (0..size).filter(|&row| row != column) {
            let factor = rows[row][column];
            rows[row].iter_mut().zip(&pivot).for_each(|(x, y)| *x -= factor * y);
        }
    }
    Ok(rows.into_iter().map(|row| row[size..].to_vec()).collect())
}
