//! Products of matrices, and their inverse.

use super::described::{described, parameters};
use crate::lower::{Builder, Fold, Value};
use crate::{Arity, Bound, DType, OpError, Operator, Shape, rule};

fn promoted(inputs: &[DType]) -> Result<Vec<DType>, OpError> {
    Ok(vec![rule::promoted(inputs)])
}

fn cast(b: &mut Builder, inputs: &[Value]) -> [Value; 2] {
    let dtype = b.dtype(inputs[0]).promote(b.dtype(inputs[1]));
    [b.cast(inputs[0], dtype), b.cast(inputs[1], dtype)]
}

/// A product, and of bools whether one of its terms holds: through int64, as bools have no sum.
fn product(b: &mut Builder, one: Value, other: Value) -> Value {
    if b.dtype(one) != DType::Bool {
        return b.matmul(one, other);
    }
    let (one, other) = (b.cast(one, DType::I64), b.cast(other, DType::I64));
    let product = b.matmul(one, other);
    b.cast(product, DType::Bool)
}

parameters! {
    /// Matrix product.
    #[derive(Copy, Eq, Default)]
    pub struct Matmul {}
}

/// The shapes as stacks of matrices, and which axes leave the result again.
fn as_matrices(one: &Shape, other: &Shape) -> Result<(Shape, Shape, bool, bool), OpError> {
    if one.rank() == 0 || other.rank() == 0 {
        return Err(OpError::new("a scalar is no matrix: use multiply"));
    }
    let (is_row, is_column) = (one.rank() == 1, other.rank() == 1);
    let left = if is_row { Shape::from([1, one.lengths()[0]]) } else { one.clone() };
    let right = if is_column { Shape::from([other.lengths()[0], 1]) } else { other.clone() };
    let (inner, rows) = (left.lengths()[left.rank() - 1], right.lengths()[right.rank() - 2]);
    match inner == rows {
        true => Ok((left, right, is_row, is_column)),
        false => Err(OpError(format!("the inner lengths {inner} and {rows} differ"))),
    }
}

fn stack(shape: &Shape) -> Shape {
    Shape::from(&shape.lengths()[..shape.rank() - 2])
}

/// The shape of the result with both axes of the matrix, and without those that leave.
fn result(one: &Shape, other: &Shape) -> Result<(Shape, Shape), OpError> {
    let (left, right, is_row, is_column) = as_matrices(one, other)?;
    let batch = stack(&left).broadcast(&stack(&right))?;
    let matrix = [left.lengths()[left.rank() - 2], right.lengths()[right.rank() - 1]];
    let whole = Shape::new([batch.lengths(), &matrix].concat());
    let (rows, columns) = (batch.rank(), batch.rank() + 1);
    let leaving: Vec<usize> = [(is_row, rows), (is_column, columns)].into_iter().filter(|l| l.0).map(|l| l.1).collect();
    let shape = whole.without(&leaving, false);
    Ok((whole, shape))
}

impl Operator for Matmul {
    described! {
        "matmul", Arity::Exactly(2), Bound::Sum { factor: 1.0 },
        "Product of the matrices in the last two axes, broadcast over the others, `numpy.matmul`; an input of \
         one axis is a row on the left and a column on the right. Integers wrap around."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        promoted(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        Ok(vec![Some(result(&inputs[0], &inputs[1])?.1)])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (one, other) = (b.shape(inputs[0]).clone(), b.shape(inputs[1]).clone());
        let (left, right, ..) = as_matrices(&one, &other)?;
        let (whole, shape) = result(&one, &other)?;
        let batch = stack(&whole);
        let [x, y] = cast(b, inputs);
        let broadcast = |b: &mut Builder, value: Value, of: &Shape| {
            let value = b.reshape(value, of);
            let matrix = &of.lengths()[of.rank() - 2..];
            b.broadcast(value, &Shape::new([batch.lengths(), matrix].concat()))
        };
        let (x, y) = (broadcast(b, x, &left), broadcast(b, y, &right));
        let product = product(b, x, y);
        Ok(vec![b.reshape(product, &shape)])
    }
}

parameters! {
    /// Dot product.
    #[derive(Copy, Eq, Default)]
    pub struct Dot {}
}

impl Dot {
    /// The axis of the second input that is summed: the last but one.
    const fn axis(rank: usize) -> usize {
        rank.saturating_sub(2)
    }
}

impl Operator for Dot {
    described! {
        "dot", Arity::Exactly(2), Bound::Sum { factor: 1.0 },
        "Sum of products over the last axis of the first input and the last but one of the second, `numpy.dot`; \
         with a scalar the product. Integers wrap around."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        promoted(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let (one, other) = (&inputs[0], &inputs[1]);
        if one.rank() == 0 || other.rank() == 0 {
            return Ok(vec![Some(one.broadcast(other)?)]);
        }
        let (last, axis) = (one.rank() - 1, Self::axis(other.rank()));
        let (left, right) = (one.lengths()[last], other.lengths()[axis]);
        if left != right {
            return Err(OpError(format!("the summed lengths {left} and {right} differ")));
        }
        let rest = other.without(&[axis], false);
        Ok(vec![Some(Shape::new([&one.lengths()[..last], rest.lengths()].concat()))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let (one, other) = (b.shape(inputs[0]).clone(), b.shape(inputs[1]).clone());
        if one.rank() == 0 || other.rank() == 0 {
            return super::arithmetic::Multiply {}.lower(b, inputs);
        }
        let [x, y] = cast(b, inputs);
        let shapes = self.shapes(&[one.clone(), other.clone()])?;
        let inner = one.lengths()[one.rank() - 1];
        let rows = one.lengths()[..one.rank() - 1].iter().product();
        let axis = Self::axis(other.rank());
        let order: Vec<usize> = [axis].into_iter().chain((0..other.rank()).filter(|&n| n != axis)).collect();
        let columns = other.without(&[axis], false).count();
        let x = b.reshape(x, &Shape::from([rows, inner]));
        let y = b.permute(y, &order);
        let y = b.reshape(y, &Shape::from([inner, columns]));
        let product = product(b, x, y);
        let shape = shapes.into_iter().next().flatten().unwrap_or_default();
        Ok(vec![b.reshape(product, &shape)])
    }
}

parameters! {
    /// Einstein summation.
    #[derive(Eq)]
    pub struct Einsum {
        /// Like `ij,jk->ik`: a letter for each axis.
        pub equation: String,
    }
}

/// The letters of both inputs and of the result.
struct Letters {
    inputs: Vec<Vec<char>>,
    output: Vec<char>,
}

impl Einsum {
    fn letters(&self) -> Result<Letters, OpError> {
        let error = |what: &str| OpError(format!("the equation {:?} {what}", self.equation));
        let equation: String = self.equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match equation.split_once("->") {
            Some((left, right)) => (left.to_owned(), Some(right.to_owned())),
            None => (equation, None),
        };
        let inputs: Vec<Vec<char>> = left.split(',').map(|letters| letters.chars().collect()).collect();
        let all: Vec<char> = inputs.concat();
        if all.iter().any(|letter| !letter.is_ascii_alphabetic()) {
            return Err(error("has something else than letters, commas and one arrow"));
        }
        let output: Vec<char> = match right {
            Some(right) => right.chars().collect(),
            None => {
                // As NumPy: the letters that occur once, in alphabetical order.
                let mut once: Vec<char> = all.clone();
                once.retain(|letter| all.iter().filter(|other| *other == letter).count() == 1);
                once.sort_unstable();
                once
            }
        };
        if output.iter().any(|letter| !all.contains(letter)) {
            return Err(error("has a letter in its result that no input has"));
        }
        if output.iter().enumerate().any(|(place, letter)| output[..place].contains(letter)) {
            return Err(error("has a letter twice in its result"));
        }
        if inputs.iter().any(|one| one.iter().enumerate().any(|(place, letter)| one[..place].contains(letter))) {
            return Err(error("has a letter twice in one input: diagonals are not taken"));
        }
        Ok(Letters { inputs, output })
    }

    /// The length of each letter.
    fn length(&self, letters: &Letters, shapes: &[Shape], letter: char) -> Result<usize, OpError> {
        let mut length = 1;
        for (letters, shape) in letters.inputs.iter().zip(shapes) {
            let Some(place) = letters.iter().position(|other| *other == letter) else { continue };
            match (length, shape.lengths()[place]) {
                (_, 1) => {}
                (1, own) => length = own,
                (known, own) if known == own => {}
                (known, own) => {
                    return Err(OpError(format!("the axis {letter} has the lengths {known} and {own}")));
                }
            }
        }
        Ok(length)
    }
}

impl Operator for Einsum {
    described! {
        "einsum", Arity::Between(1, 2), Bound::Sum { factor: 1.0 },
        "Products of the inputs' elements, summed over each letter that the result leaves out, `numpy.einsum` \
         of one or two inputs without diagonals and `...`. Integers wrap around."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        rule::refuse(inputs, |dtype| dtype == DType::Bool, "numbers")?;
        promoted(inputs)
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        let letters = self.letters()?;
        let fits = letters.inputs.len() == inputs.len()
            && letters.inputs.iter().zip(inputs).all(|(letters, shape)| letters.len() == shape.rank());
        if !fits {
            let shapes: Vec<String> = inputs.iter().map(Shape::to_string).collect();
            return Err(OpError(format!("the equation {:?} does not fit {}", self.equation, shapes.join(" and "))));
        }
        for letter in letters.inputs.concat() {
            self.length(&letters, inputs, letter)?;
        }
        let lengths = letters.output.iter().map(|&letter| self.length(&letters, inputs, letter));
        Ok(vec![Some(Shape::new(lengths.collect::<Result<Vec<_>, _>>()?))])
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let letters = self.letters()?;
        let shapes: Vec<Shape> = inputs.iter().map(|&input| b.shape(input).clone()).collect();
        if inputs.len() == 1 {
            let summed = sum_letters(b, inputs[0], &letters.inputs[0], |letter| letters.output.contains(&letter));
            return Ok(vec![ordered(b, summed.0, &summed.1, &letters.output)]);
        }
        let [x, y] = cast(b, inputs);
        let (one, other) = (&letters.inputs[0], &letters.inputs[1]);
        // What one input alone has and the result has not is summed before.
        let stays = |letter, others: &[char]| letters.output.contains(&letter) || others.contains(&letter);
        let (x, one) = sum_letters(b, x, one, |letter| stays(letter, other));
        let (y, other) = sum_letters(b, y, other, |letter| stays(letter, &one));
        let both = |letter: &char| one.contains(letter) && other.contains(letter);
        let batch: Vec<char> = letters.output.iter().copied().filter(both).collect();
        let summed: Vec<char> = one.iter().copied().filter(|l| both(l) && !batch.contains(l)).collect();
        let rows: Vec<char> = one.iter().copied().filter(|l| !both(l)).collect();
        let columns: Vec<char> = other.iter().copied().filter(|l| !both(l)).collect();
        let length = |letter: &char| self.length(&letters, &shapes, *letter);
        let lengths = |list: &[char]| list.iter().map(length).collect::<Result<Vec<usize>, OpError>>();
        let size = |list: &[char]| Ok::<usize, OpError>(lengths(list)?.iter().product());
        let batch_size = size(&batch)?;
        let matrix = |b: &mut Builder, value, have: &[char], order: [&[char]; 3]| {
            let wanted = order.concat();
            let value = ordered(b, value, have, &wanted);
            let value = b.broadcast(value, &Shape::new(lengths(&wanted)?));
            let flat = Shape::from([batch_size, size(order[1])?, size(order[2])?]);
            Ok::<Value, OpError>(b.reshape(value, &flat))
        };
        let x = matrix(b, x, &one, [&batch, &rows, &summed])?;
        let y = matrix(b, y, &other, [&batch, &summed, &columns])?;
        let product = b.matmul(x, y);
        let have = [batch, rows, columns].concat();
        let product = b.reshape(product, &Shape::new(lengths(&have)?));
        Ok(vec![ordered(b, product, &have, &letters.output)])
    }
}

/// Sums over the letters that do not stay.
fn sum_letters(b: &mut Builder, value: Value, letters: &[char], stays: impl Fn(char) -> bool) -> (Value, Vec<char>) {
    let axes: Vec<usize> = (0..letters.len()).filter(|&axis| !stays(letters[axis])).collect();
    let left = letters.iter().copied().filter(|&letter| stays(letter)).collect();
    if axes.is_empty() { (value, left) } else { (b.reduce(Fold::Sum, value, &axes), left) }
}

/// The axes in the order of these letters.
fn ordered(b: &mut Builder, value: Value, have: &[char], wanted: &[char]) -> Value {
    let place = |letter: &char| have.iter().position(|other| other == letter).unwrap_or_default();
    let order: Vec<usize> = wanted.iter().map(place).collect();
    b.permute(value, &order)
}

parameters! {
    /// Inverse matrix.
    #[derive(Copy, Eq, Default)]
    pub struct Inverse {}
}

impl Operator for Inverse {
    described! {
        "inverse", Arity::Exactly(1), Bound::Largest { epsilons: 1e4 },
        "Inverse of the square matrices in the last two axes, `numpy.linalg.inv`: float64 of integers and \
         bools. The op fails for a singular matrix."
    }

    fn dtypes(&self, inputs: &[DType]) -> Result<Vec<DType>, OpError> {
        Ok(vec![inputs[0].to_float()])
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Option<Shape>>, OpError> {
        match inputs[0].lengths() {
            [.., rows, columns] if rows == columns => Ok(vec![Some(inputs[0].clone())]),
            _ => Err(OpError(format!("the shape {} has no square matrices in its last two axes", inputs[0]))),
        }
    }

    fn lower(&self, b: &mut Builder, inputs: &[Value]) -> Result<Vec<Value>, OpError> {
        let value = b.cast(inputs[0], b.dtype(inputs[0]).to_float());
        Ok(vec![b.inverse(value)])
    }
}
