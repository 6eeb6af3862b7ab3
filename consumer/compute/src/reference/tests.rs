//! The reference against values that others give: the documented examples of Raven's ops (the wrong ones
//! among them corrected), and what NumPy and PyTorch print.

use std::borrow::Borrow;
use std::f64::consts::{E, LN_2};

use ops::ops::arithmetic::*;
use ops::ops::compare::*;
use ops::ops::fold::*;
use ops::ops::join::*;
use ops::ops::linear::*;
use ops::ops::logic::*;
use ops::ops::make::*;
use ops::ops::math::*;
use ops::ops::moves::*;
use ops::ops::pad::*;
use ops::ops::random::*;
use ops::ops::select::*;
use ops::ops::sorted::*;
use ops::ops::stats::*;
use ops::ops::windows::*;
use ops::{Axes, DType, Element, Index, Number, Op, OpError, Part, Shape, Tensor};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

fn array<T: Element>(shape: &[usize], elements: &[T]) -> Tensor {
    Tensor::from_vec(shape, elements.to_vec()).expect("the elements fit the shape")
}

/// An array of one axis.
fn line<T: Element>(elements: &[T]) -> Tensor {
    array(&[elements.len()], elements)
}

fn scalar<T: Element>(element: T) -> Tensor {
    array(&[], &[element])
}

/// 0 and 1 as bools.
fn truths(elements: &[u8]) -> Tensor {
    line(elements)
}

const NONE: &[Tensor] = &[];

fn run<T: Borrow<Tensor>>(op: impl Into<Op>, inputs: &[T]) -> Result<Vec<Tensor>, OpError> {
    let op = op.into();
    let inputs: Vec<Tensor> = inputs.iter().map(|input| input.borrow().clone()).collect();
    let results = super::evaluate(&op, &inputs)?;
    // The rules foretell all types, and the shapes that do not depend on data.
    let types: Vec<_> = inputs.iter().map(|input| (input.dtype(), Some(input.shape().clone()))).collect();
    let types = op.types(&types)?;
    assert_eq!(results.len(), types.len(), "{op:?}");
    for (result, (dtype, shape)) in results.iter().zip(types) {
        let shape = shape.unwrap_or_else(|| result.shape().clone());
        assert_eq!((result.dtype(), result.shape()), (dtype, &shape), "{op:?}");
    }
    Ok(results)
}

fn one<T: Borrow<Tensor>>(op: impl Into<Op>, inputs: &[T]) -> Tensor {
    run(op, inputs).expect("a result").remove(0)
}

/// All bits: the text tells 0 from -0, and has one NaN.
#[track_caller]
fn is(result: Tensor, wanted: Tensor) {
    assert_eq!(format!("{result:?}"), format!("{wanted:?}"));
}

#[track_caller]
fn near(result: Tensor, wanted: &[f64]) {
    let is: Vec<f64> = result.numbers().into_iter().map(Number::to_f64).collect();
    let close = |(is, wanted): (&f64, &f64)| (is - wanted).abs() < 1e-6;
    assert!(is.len() == wanted.len() && is.iter().zip(wanted).all(close), "{is:?}, not {wanted:?}");
}

#[track_caller]
fn fails<T: Borrow<Tensor>>(op: impl Into<Op>, inputs: &[T], why: &str) {
    let error = run(op, inputs).expect_err("it has no result").to_string();
    assert!(error.contains(why), "{error}");
}

fn axis(axis: i64) -> Sum {
    Sum { axis: Axes::One(axis), keepdims: false }
}

fn index(parts: &[Part]) -> Index {
    Index(parts.to_vec())
}

#[test]
fn arithmetic_is_ravens() {
    let (one_to_three, mixed) = (line(&[1, 2, 3]), line(&[1, -2, -3]));
    is(one(Add {}, &[one_to_three.clone(), line(&[5, 22, 7])]), line(&[6, 24, 10]));
    is(one(Negative {}, &[&mixed]), line(&[-1, 2, 3]));
    is(one(Abs {}, &[mixed]), line(&[1, 2, 3]));
    is(one(Power {}, &[one_to_three.clone(), one_to_three.clone()]), line(&[1, 4, 27]));
    is(one(Square {}, &[&one_to_three]), line(&[1, 4, 9]));
    is(one(Cube {}, &[&one_to_three]), line(&[1, 8, 27]));
    is(one(Sign {}, &[line(&[0.0, 1.0, -2.0, -1.4])]), line(&[0.0, 1.0, -1.0, -1.0]));
    near(one(Exp {}, &[&one_to_three]), &[E, 7.389_056, 20.085_537]);
    near(one(Log {}, &[one_to_three]), &[0.0, LN_2, 1.098_612]);
    is(one(Sqrt {}, &[line(&[16, 4, 9])]), line(&[4.0, 2.0, 3.0]));
    near(one(Cbrt {}, &[line(&[27, 64, 729])]), &[3.0, 4.0, 9.0]);
    let (left, right) = (array(&[2, 2], &[1, 2, 3, 6]), array(&[2, 2], &[3, 4, 5, 4]));
    is(one(Multiply {}, &[left.clone(), right.clone()]), array(&[2, 2], &[3, 8, 15, 24]));
    is(one(Matmul {}, &[left.clone(), right.clone()]), array(&[2, 2], &[13, 12, 39, 36]));
    is(one(Dot {}, &[left, right]), array(&[2, 2], &[13, 12, 39, 36]));
    near(one(Inverse {}, &[array(&[2, 2], &[1, 2, 3, 4])]), &[-2.0, 1.0, 1.5, -0.5]);
}

#[test]
fn comparisons_and_logic_are_ravens() {
    let a = line(&[1, 2, 3]);
    is(one(Greater {}, &[a.clone(), line(&[3, 1, 3])]), truths(&[0, 1, 0]));
    is(one(GreaterEqual {}, &[a.clone(), line(&[3, 1, 3])]), truths(&[0, 1, 1]));
    is(one(Less {}, &[a.clone(), line(&[3, 1, 3])]), truths(&[1, 0, 0]));
    is(one(LessEqual {}, &[a.clone(), line(&[3, 4, 3])]), truths(&[1, 1, 1]));
    is(one(Equal {}, &[a.clone(), line(&[3, 2, 3])]), truths(&[0, 1, 1]));
    is(one(NotEqual {}, &[a.clone(), line(&[2, 2, 2])]), truths(&[1, 0, 1]));
    let both = [truths(&[1, 1, 0, 0]), truths(&[1, 0, 1, 0])];
    is(one(LogicalAnd {}, &both), truths(&[1, 0, 0, 0]));
    is(one(LogicalOr {}, &both), truths(&[1, 1, 1, 0]));
    is(one(LogicalXor {}, &both), truths(&[0, 1, 1, 0]));
    is(one(Where {}, &[truths(&[1, 1, 0]), a, line(&[-6, -7, -8])]), line(&[1, 2, -8]));
}

#[test]
fn statistics_are_ravens() {
    let table = array(&[3, 2], &[1, 2, 2, 4, 3, 5]);
    near(one(Mean { axis: Axes::One(0), keepdims: false }, &[&table]), &[2.0, 3.666_667]);
    near(one(Mean { axis: Axes::One(1), keepdims: false }, &[table]), &[1.5, 3.0, 4.0]);
    let six = [line(&[1, 1, 1, 2, 3, 4])];
    is(one(Mode { axis: None }, &six), scalar(1));
    near(one(Median::default(), &six), &[1.5]);
    near(one(Variance { ddof: 1.0, ..Variance::default() }, &six), &[1.6]);
    near(one(Variance::default(), &six), &[1.333_333]);
    near(one(Std::default(), &six), &[1.154_701]);
}

#[test]
fn selections_are_ravens() {
    let table = array(&[3, 3], &[1, 2, 3, 4, 5, 6, 6, 7, 8]);
    let each = Box::new(Op::from(Sum::default()));
    is(one(Foreach { each }, &[table]), line(&[6_i64, 15, 21]));
    is(one(axis(1), &[array(&[2, 2], &[1, 2, 3, 4])]), line(&[3_i64, 7]));
    is(one(Sort::default(), &[line(&[7, 2, 1, 4])]), line(&[1, 2, 4, 7]));
    let hot = [0_i64, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0];
    is(one(OneHot { depth: 4 }, &[line(&[1, 3, 2])]), array(&[3, 4], &hot));
    let six = line(&[1, 2, 3, 4, 5, 6]);
    is(one(Gather { axis: None }, &[six.clone(), line(&[1, 3])]), line(&[2, 4]));
    is(one(Reverse::default(), &[&six]), line(&[6, 5, 4, 3, 2, 1]));
    is(one(Slice { index: index(&[Part::range(2, 4)]) }, &[six]), line(&[3, 4]));
    let find = FindIndices { values: vec![Number::Int(1), Number::Int(6)] };
    let found = run(find, &[line(&[1, 2, 2, 3, 6, 6, 6, 7])]);
    assert_eq!(found, Ok(vec![line(&[0_i64]), line(&[4_i64, 5, 6])]));
    let table = array(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    is(one(ShapeOf {}, &[&table]), line(&[2_i64, 3]));
    is(one(Size {}, &[&table]), scalar(6_i64));
    is(one(Transpose { axes: None }, &[table]), array(&[3, 2], &[1, 4, 2, 5, 3, 6]));
}

#[test]
fn the_distributed_test_is_ravens() {
    let tiled = |numbers: &[i32]| one(Tile { reps: vec![10] }, &[line(numbers)]);
    let (a, b) = (tiled(&[1, 2, 3]), tiled(&[5, 22, 7]));
    let c = one(Add {}, &[a.clone(), b]);
    is(c.clone(), tiled(&[6, 24, 10]));
    let sum = one(Sum::default(), &[&c]);
    is(sum.clone(), scalar(400_i64));
    let d = one(Add {}, &[one(Add {}, &[c, sum]), a]);
    is(one(Argmax::default(), &[&d]), scalar(1_i64));
    is(one(Max::default(), &[&d]), scalar(426_i64));
    let sorted = one(Sort::default(), &[d]);
    is(sorted, line(&[[407_i64; 10], [413; 10], [426; 10]].concat()));
}

#[test]
fn types_are_promoted_and_integers_wrap() {
    is(one(Add {}, &[line(&[1]), line(&[0.5_f32])]), line(&[1.5_f64]));
    is(one(Add {}, &[truths(&[1, 1]), truths(&[1, 0])]), truths(&[1, 1]));
    is(one(Add {}, &[truths(&[1, 1]), line(&[1, 2])]), line(&[2, 3]));
    is(one(Divide {}, &[line(&[1, 0]), line(&[2, 0])]), line(&[0.5, NAN]));
    is(one(Add {}, &[line(&[i32::MAX]), line(&[1])]), line(&[i32::MIN]));
    is(one(Multiply {}, &[line(&[i64::MAX]), line(&[2_i64])]), line(&[-2_i64]));
    is(one(Abs {}, &[line(&[i32::MIN])]), line(&[i32::MIN]));
    is(one(Sum::default(), &[line(&[i32::MAX, 1])]), scalar(1_i64 << 31));
    is(one(Sum::default(), &[truths(&[1, 1, 0])]), scalar(2_i64));
    is(one(Power {}, &[line(&[3]), line(&[40])]), line(&[3_i32.wrapping_pow(40)]));
    fails(Power {}, &[line(&[2, 2]), line(&[1, -1])], "negative exponent");
    let lengths = one(Sum { axis: Axes::Some(vec![0, -1]), keepdims: true }, &[array(&[2, 0, 3], &[0.0; 0])]);
    is(lengths, array(&[1, 0, 1], &[0.0; 0]));
    is(one(Sum::default(), &[line(&[0.0; 0])]), scalar(0.0));
    is(one(Prod::default(), &[line(&[0.0; 0])]), scalar(1.0));
}

#[test]
fn division_goes_down() {
    let (x, y) = (line(&[7, -7, 7, -7, 7, i32::MIN]), line(&[2, 2, -2, -2, 0, -1]));
    is(one(FloorDivide {}, &[x.clone(), y.clone()]), line(&[3, -4, -4, 3, 0, i32::MIN]));
    is(one(Remainder {}, &[x, y]), line(&[1, 1, -1, -1, 0, 0]));
    let (x, y) = (line(&[-1.0, 1.0, 6.0, -0.0, 5.0, -5.0, 1.0, INF]), line(&[0.1, 0.1, -3.0, 2.0, INF, INF, 0.0, 2.0]));
    is(one(FloorDivide {}, &[x.clone(), y.clone()]), line(&[-10.0, 9.0, -2.0, -0.0, 0.0, -1.0, INF, NAN]));
    let rests = [0.1 - 1.0 % 0.1, 1.0 % 0.1, -0.0, 0.0, 5.0, INF, NAN, NAN];
    is(one(Remainder {}, &[x, y]), line(&rests));
    is(one(Remainder {}, &[line(&[-1.0_f32]), line(&[0.1_f32])]), line(&[0.1_f32 - 1.0 % 0.1]));
}

#[test]
fn nan_has_rules() {
    let x = line(&[1.0, NAN, 3.0]);
    is(one(Maximum {}, &[x.clone(), line(&[2.0, 2.0, NAN])]), line(&[2.0, NAN, NAN]));
    is(one(Min::default(), &[&x]), scalar(NAN));
    is(one(Argmin::default(), &[&x]), scalar(1_i64));
    is(one(Argmax::default(), &[&x]), scalar(1_i64));
    is(one(Clip { min: Some(2.into()), max: None }, &[&x]), line(&[2.0, NAN, 3.0]));
    is(one(Clip { min: None, max: Some(0.5.into()) }, &[line(&[0, 1])]), line(&[0.0, 0.5]));
    is(one(Sort { descending: true, ..Sort::default() }, &[&x]), line(&[3.0, 1.0, NAN]));
    is(one(Argsort::default(), &[line(&[NAN, 1.0, 0.0, -0.0])]), line(&[2_i64, 3, 1, 0]));
    is(one(Median::default(), &[&x]), scalar(NAN));
    is(one(Mean::default(), &[line(&[0.0; 0])]), scalar(NAN));
    is(one(Any::default(), &[&x]), scalar(1_u8));
    is(one(Equal {}, &[x.clone(), x.clone()]), truths(&[1, 0, 1]));
    is(one(Mode { axis: None }, &[line(&[NAN, 2.0, NAN, 1.0])]), scalar(1.0));
    is(one(Sign {}, &[line(&[-0.0, NAN])]), line(&[0.0, NAN]));
    is(one(Relu {}, &[line(&[-0.0, NAN, -1.0, 2.0])]), line(&[0.0, NAN, 0.0, 2.0]));
    is(one(Round {}, &[line(&[0.5, 1.5, -0.5, 2.5])]), line(&[0.0, 2.0, -0.0, 2.0]));
    is(one(Softmax { axis: 0 }, &[line(&[1000.0, 1000.0])]), line(&[0.5, 0.5]));
    near(one(LogSoftmax { axis: -1 }, &[line(&[0.0, 1.0])]), &[-1.313_261_7, -0.313_261_7]);
}

#[test]
fn casts_are_towards_zero_and_to_the_nearest() {
    let x = line(&[-1.9, 3e9, -INF, NAN, 0.0]);
    is(one(Cast { dtype: DType::I32 }, &[&x]), line(&[-1, i32::MAX, i32::MIN, 0, 0]));
    is(one(Cast { dtype: DType::Bool }, &[x]), truths(&[1, 1, 1, 1, 0]));
    is(one(Cast { dtype: DType::I32 }, &[line(&[(1_i64 << 32) + 5])]), line(&[5]));
    // Through float64 it would be rounded to a tie first, and then down.
    let odd = (1_i64 << 60) + (1 << 36) + 1;
    is(one(Cast { dtype: DType::F32 }, &[line(&[odd])]), line(&[odd as f32]));
}

#[test]
fn functions_are_exact_where_it_is_hard() {
    near(one(Sigmoid {}, &[line(&[0.0, -1000.0, 1000.0])]), &[0.5, 0.0, 1.0]);
    near(one(Gelu {}, &[line(&[1.0, -1.0, 0.0])]), &[0.841_344_75, -0.158_655_25, 0.0]);
    // x times the normal distribution function, to 17 digits: -10 * 7.619853024160526e-24.
    let tail = one(Gelu {}, &[line(&[-10.0])]).numbers()[0].to_f64();
    assert!((tail / -7.619_853_024_160_526e-23 - 1.0).abs() < 1e-15, "{tail}");
    is(one(Sum::default(), &[line(&[1e100, 1.0, -1e100])]), scalar(1.0));
    is(one(Variance::default(), &[line(&[0.1; 3])]), scalar(0.0));
    is(one(Invert {}, &[line(&[0, 5])]), line(&[-1, -6]));
    is(one(LeftShift {}, &[line(&[1, 1, 3, 1]), line(&[31, 32, 31, -1])]), line(&[i32::MIN, 0, i32::MIN, 0]));
    is(one(RightShift {}, &[line(&[-8, -8, 8]), line(&[1, 40, -1])]), line(&[-4, -1, 0]));
}

#[test]
fn statistics_are_numpys() {
    let x = line(&[4.0, 1.0, 3.0, 2.0]);
    let percentile = |q| Percentile { q, axis: Axes::All, keepdims: false };
    near(one(percentile(40.0), &[&x]), &[2.2]);
    is(one(percentile(100.0), &[&x]), scalar(4.0));
    is(one(percentile(25.0), &[line(&[1.0, 2.0, INF, INF, INF])]), scalar(2.0));
    is(one(Median::default(), &[line(&[INF, INF, 1.0, INF])]), scalar(INF));
    is(one(Variance { ddof: 1.0, ..Variance::default() }, &[line(&[1.0])]), scalar(NAN));
    let table = array(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    is(one(Average { axis: Axes::One(1), keepdims: false }, &[table, line(&[3.0, 1.0])]), line(&[1.25, 3.25]));
    is(one(Cumsum { axis: Some(1) }, &[array(&[2, 2], &[1, 2, 3, 4])]), array(&[2, 2], &[1_i64, 3, 3, 7]));
    is(one(Cumsum { axis: None }, &[array(&[2, 2], &[1, 2, 3, 4])]), line(&[1_i64, 3, 6, 10]));
    is(one(Bincount { minlength: 5 }, &[line(&[0, 1, 1, 3])]), line(&[1_i64, 2, 0, 1, 0]));
    is(one(Bincount { minlength: 0 }, &[line(&[1, 1]), line(&[0.5, 2.0])]), line(&[0.0, 2.5]));
    fails(Bincount { minlength: 0 }, &[line(&[1, -1])], "2^27");
}

#[test]
fn unique_elements_and_slices() {
    let all = Unique { axis: None, return_inverse: true, return_counts: true };
    let results = run(all, &[array(&[2, 2], &[NAN, 2.0, 1.0, NAN])]).expect("results");
    let wanted = [line(&[1.0, 2.0, NAN]), array(&[2, 2], &[2_i64, 1, 0, 2]), line(&[1_i64, 1, 2])];
    assert_eq!(format!("{results:?}"), format!("{wanted:?}"));
    let rows = Unique { axis: Some(0), return_inverse: true, return_counts: true };
    let results = run(rows, &[array(&[3, 2], &[1, 2, 0, 9, 1, 2])]);
    assert_eq!(results, Ok(vec![array(&[2, 2], &[0, 9, 1, 2]), line(&[1_i64, 0, 1]), line(&[1_i64, 2])]));
}

#[test]
fn products_are_numpys() {
    let (a, b) = (array(&[2, 3], &[1, 2, 3, 4, 5, 6]), array(&[3, 2], &[1, 2, 3, 4, 5, 6]));
    fn einsum<T: Borrow<Tensor>>(equation: &str, inputs: &[T]) -> Tensor {
        one(Einsum { equation: equation.into() }, inputs)
    }
    is(einsum("ij, jk -> ik", &[a.clone(), b.clone()]), array(&[2, 2], &[22, 28, 49, 64]));
    is(einsum("ba", &[&a]), array(&[3, 2], &[1, 4, 2, 5, 3, 6]));
    is(einsum("ij->j", &[&a]), line(&[5, 7, 9]));
    is(einsum("i,j->ij", &[line(&[1, 2]), line(&[3, 4])]), array(&[2, 2], &[3, 4, 6, 8]));
    is(einsum("ij,ji", &[a.clone(), b.clone()]), scalar(86));
    is(one(Matmul {}, &[a.clone(), line(&[1, 0, 1])]), line(&[4, 10]));
    is(one(Matmul {}, &[line(&[1, 1]), a.clone()]), line(&[5, 7, 9]));
    is(one(Matmul {}, &[truths(&[1, 0]), truths(&[1, 1])]), scalar(1_u8));
    let stack = array(&[2, 3, 1], &[1, 0, 0, 0, 0, 1]);
    is(one(Matmul {}, &[a.clone(), stack.clone()]), array(&[2, 2, 1], &[1, 4, 3, 6]));
    is(one(Dot {}, &[a.clone(), stack]), array(&[2, 2, 1], &[1, 3, 4, 6]));
    is(one(Dot {}, &[a, scalar(2)]), array(&[2, 3], &[2, 4, 6, 8, 10, 12]));
    fails(Inverse {}, &[array(&[2, 2], &[1, 2, 2, 4])], "singular");
}

#[test]
fn arrays_are_joined_cut_and_repeated() {
    let table = array(&[2, 2], &[1, 2, 3, 4]);
    is(one(Concat { axis: -1 }, &[table.clone(), array(&[2, 1], &[0.5, 1.5])]), {
        array(&[2, 3], &[1.0, 2.0, 0.5, 3.0, 4.0, 1.5])
    });
    is(one(Stack { axis: 1 }, &[line(&[1, 2]), line(&[3, 4])]), array(&[2, 2], &[1, 3, 2, 4]));
    let parts = |sections| run(Split { sections, axis: 0 }, &[line(&[1, 2, 3, 4, 5, 6])]);
    assert_eq!(parts(Sections::Equal(3)), Ok(vec![line(&[1, 2]), line(&[3, 4]), line(&[5, 6])]));
    assert_eq!(parts(Sections::Lengths(vec![1, -1, 2])), Ok(vec![line(&[1]), line(&[2, 3, 4]), line(&[5, 6])]));
    let repeat = |repeats, axis| one(Repeat { repeats, axis }, &[&table]);
    is(repeat(Repeats::Each(2), None), line(&[1, 1, 2, 2, 3, 3, 4, 4]));
    is(repeat(Repeats::List(vec![1, 2]), Some(0)), array(&[3, 2], &[1, 2, 3, 4, 3, 4]));
    is(one(Tile { reps: vec![2, 1, 2] }, &[line(&[1, 2])]), array(&[2, 1, 4], &[1, 2, 1, 2, 1, 2, 1, 2]));
    let pad = |mode, widths: &[(usize, usize)], input: &Tensor| {
        one(Pad { widths: widths.to_vec(), mode, value: Number::Int(9) }, &[input])
    };
    is(pad(PadMode::Reflect, &[(4, 3)], &line(&[1, 2, 3])), line(&[1, 2, 3, 2, 1, 2, 3, 2, 1, 2]));
    is(pad(PadMode::Edge, &[(2, 1)], &line(&[1, 2])), line(&[1, 1, 1, 2, 2]));
    is(pad(PadMode::Constant, &[(1, 0), (0, 1)], &table), array(&[3, 3], &[9, 9, 9, 1, 2, 9, 3, 4, 9]));
}

#[test]
fn elements_are_moved_and_picked() {
    let table = array(&[2, 3], &[1, 2, 3, 4, 5, 6]);
    let step = |from, to, step| Part::Range { from, to, step };
    let slice = |parts: &[Part]| one(Slice { index: index(parts) }, &[&table]);
    is(slice(&[Part::REST, Part::NEW_AXIS, Part::At(-1)]), array(&[2, 1], &[3, 6]));
    is(slice(&[Part::At(1), step(None, None, -2)]), line(&[6, 4]));
    is(slice(&[step(Some(5), None, 1)]), array(&[0, 3], &[0_i32; 0]));
    let backwards = Slice { index: index(&[step(None, None, -1), Part::REST, step(Some(1), None, 1)]) };
    is(one(backwards, &[array(&[0, 0, 2], &[0.0; 0])]), array(&[0, 0, 1], &[0.0; 0]));
    let set = SetItem { index: index(&[Part::ALL, step(Some(-5), Some(2), 1)]) };
    is(one(set, &[table.clone(), line(&[7.9, -7.9])]), array(&[2, 3], &[7, -7, 3, 7, -7, 6]));
    is(one(Gather { axis: Some(1) }, &[table.clone(), array(&[1, 2], &[-1, 0])]), array(&[2, 1, 2], &[3, 1, 6, 4]));
    fails(Gather { axis: None }, &[table.clone(), line(&[6])], "out of range");
    is(one(Reverse { axis: Axes::One(-1) }, &[&table]), array(&[2, 3], &[3, 2, 1, 6, 5, 4]));
    is(one(Reshape { shape: vec![3, -1] }, &[&table]), array(&[3, 2], &[1, 2, 3, 4, 5, 6]));
    is(one(Argwhere {}, &[array(&[2, 2], &[0, 1, 0, 2])]), array(&[2, 2], &[0_i64, 1, 1, 1]));
    is(one(Argwhere {}, &[scalar(5)]), array(&[1, 0], &[0_i64; 0]));
    // 2^32 + 1 is 1 only in 32 bits.
    let find = FindIndices { values: vec![Number::Int((1 << 32) + 1)] };
    is(one(find, &[&table]), line(&[0_i64; 0]));
    let one_axis = BroadcastTo { shape: Shape::from([2, 2]) };
    is(one(one_axis, &[line(&[1, 2])]), array(&[2, 2], &[1, 2, 1, 2]));
    let ones = array(&[1, 2, 1], &[1, 2]);
    is(one(Squeeze { axis: Axes::One(-1) }, &[&ones]), array(&[1, 2], &[1, 2]));
    is(one(Squeeze::default(), &[ones]), line(&[1, 2]));
    is(one(ExpandDims { axis: -1 }, &[line(&[1, 2])]), array(&[2, 1], &[1, 2]));
}

#[test]
fn images_are_pytorchs() {
    let image = array(&[1, 1, 3, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let kernel = array(&[1, 1, 2, 2], &[1, 0, 0, -1]);
    is(one(Conv2d::default(), &[image.clone(), kernel.clone(), line(&[10])]), array(&[1, 1, 2, 2], &[6, 6, 6, 6]));
    let wide = Conv2d { stride: [2, 2], padding: [1, 1], dilation: [2, 2], groups: 1 };
    is(one(wide, &[image.clone(), kernel]), array(&[1, 1, 2, 2], &[-5, 0, 0, 5]));
    let two = array(&[1, 2, 1, 1], &[2, 3]);
    let grouped = Conv2d { groups: 2, ..Conv2d::default() };
    is(one(grouped, &[two, array(&[2, 1, 1, 1], &[10, 100])]), array(&[1, 2, 1, 1], &[20, 300]));
    let max = MaxPool2d { kernel_size: [2, 2], stride: Some([1, 2]), padding: [1, 0] };
    is(one(max, &[&image]), array(&[1, 1, 4, 1], &[2, 5, 8, 8]));
    let avg = AvgPool2d { kernel_size: [2, 2], stride: None, padding: [1, 1] };
    is(one(avg, &[image]), array(&[1, 1, 2, 2], &[0.25, 1.25, 2.75, 7.0]));
}

#[test]
fn arrays_of_nothing() {
    let arange = |start: Number, stop: Number, step: Number| one(Arange { start, stop, step, dtype: None }, NONE);
    is(arange(5.into(), 0.into(), (-2).into()), line(&[5_i64, 3, 1]));
    is(arange(0.into(), 1.into(), 0.3.into()), line(&[0.0, 0.3, 0.6, 3.0 * 0.3]));
    is(one(Full { shape: Shape::from([2]), value: 7.into(), dtype: None }, NONE), line(&[7_i64, 7]));
    is(one(Ones { shape: Shape::from([1]), dtype: DType::Bool }, NONE), truths(&[1]));
    let uniform = |dtype| RandomUniform { shape: Shape::from([2]), seed: 0, low: 0.0, high: 1.0, dtype };
    // The first words are 6627e8d5, e169c58d, bc57ac4c and 9b00dbd8.
    let unit = |word: u32| (word >> 8) as f32 / 16_777_216.0;
    is(one(uniform(DType::F32), NONE), line(&[unit(0x6627_E8D5), unit(0xE169_C58D)]));
    let unit = |words: u64| (words >> 11) as f64 / 9_007_199_254_740_992.0;
    is(one(uniform(DType::F64), NONE), line(&[unit(0x6627_E8D5_E169_C58D), unit(0xBC57_AC4C_9B00_DBD8)]));
    let normal = RandomNormal { shape: Shape::from([20_000]), seed: 1, mean: 3.0, std: 2.0, dtype: DType::F32 };
    let numbers = one(normal, NONE);
    let off = |result: Tensor, wanted: f64| (result.numbers()[0].to_f64() - wanted).abs();
    assert!(off(one(Mean::default(), &[&numbers]), 3.0) < 0.05);
    assert!(off(one(Std::default(), &[numbers]), 2.0) < 0.05);
    is(one(Sample { size: 3, seed: 0 }, &[line(&[1, 2, 3])]), line(&[1, 3, 2]));
}
