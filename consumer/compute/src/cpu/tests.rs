//! The engine against the reference, over random ops, shapes and types.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ops::{Bound, DType, Data, Number, Op, Shape, Tensor};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::reference;

/// Ops as a graph's file has them, with the number of inputs that each is given.
const OPS: &[(&str, usize)] = &[
    (r#"{"op":"add"}"#, 2),
    (r#"{"op":"subtract"}"#, 2),
    (r#"{"op":"multiply"}"#, 2),
    (r#"{"op":"divide"}"#, 2),
    (r#"{"op":"floor_divide"}"#, 2),
    (r#"{"op":"remainder"}"#, 2),
    (r#"{"op":"power"}"#, 2),
    (r#"{"op":"minimum"}"#, 2),
    (r#"{"op":"maximum"}"#, 2),
    (r#"{"op":"negative"}"#, 1),
    (r#"{"op":"positive"}"#, 1),
    (r#"{"op":"abs"}"#, 1),
    (r#"{"op":"sign"}"#, 1),
    (r#"{"op":"square"}"#, 1),
    (r#"{"op":"cube"}"#, 1),
    (r#"{"op":"sqrt"}"#, 1),
    (r#"{"op":"cbrt"}"#, 1),
    (r#"{"op":"exp"}"#, 1),
    (r#"{"op":"expm1"}"#, 1),
    (r#"{"op":"log"}"#, 1),
    (r#"{"op":"log1p"}"#, 1),
    (r#"{"op":"sin"}"#, 1),
    (r#"{"op":"cos"}"#, 1),
    (r#"{"op":"tan"}"#, 1),
    (r#"{"op":"tanh"}"#, 1),
    (r#"{"op":"sigmoid"}"#, 1),
    (r#"{"op":"gelu"}"#, 1),
    (r#"{"op":"relu"}"#, 1),
    (r#"{"op":"floor"}"#, 1),
    (r#"{"op":"ceil"}"#, 1),
    (r#"{"op":"round"}"#, 1),
    (r#"{"op":"equal"}"#, 2),
    (r#"{"op":"not_equal"}"#, 2),
    (r#"{"op":"greater"}"#, 2),
    (r#"{"op":"greater_equal"}"#, 2),
    (r#"{"op":"less"}"#, 2),
    (r#"{"op":"less_equal"}"#, 2),
    (r#"{"op":"isnan"}"#, 1),
    (r#"{"op":"where"}"#, 3),
    (r#"{"op":"clip","min":-1,"max":1.5}"#, 1),
    (r#"{"op":"clip","max":2}"#, 1),
    (r#"{"op":"cast","dtype":"int32"}"#, 1),
    (r#"{"op":"cast","dtype":"bool"}"#, 1),
    (r#"{"op":"cast","dtype":"float32"}"#, 1),
    (r#"{"op":"logical_and"}"#, 2),
    (r#"{"op":"logical_or"}"#, 2),
    (r#"{"op":"logical_xor"}"#, 2),
    (r#"{"op":"logical_not"}"#, 1),
    (r#"{"op":"bitwise_and"}"#, 2),
    (r#"{"op":"bitwise_or"}"#, 2),
    (r#"{"op":"bitwise_xor"}"#, 2),
    (r#"{"op":"invert"}"#, 1),
    (r#"{"op":"left_shift"}"#, 2),
    (r#"{"op":"right_shift"}"#, 2),
    (r#"{"op":"sum"}"#, 1),
    (r#"{"op":"sum","axis":-1,"keepdims":true}"#, 1),
    (r#"{"op":"prod","axis":0}"#, 1),
    (r#"{"op":"min","axis":[0,1]}"#, 1),
    (r#"{"op":"max","axis":1}"#, 1),
    (r#"{"op":"any","axis":0}"#, 1),
    (r#"{"op":"all"}"#, 1),
    (r#"{"op":"argmax","axis":-1}"#, 1),
    (r#"{"op":"argmin"}"#, 1),
    (r#"{"op":"cumsum","axis":0}"#, 1),
    (r#"{"op":"cumsum"}"#, 1),
    (r#"{"op":"softmax","axis":-1}"#, 1),
    (r#"{"op":"log_softmax","axis":0}"#, 1),
    (r#"{"op":"mean","axis":0}"#, 1),
    (r#"{"op":"average","axis":1}"#, 2),
    (r#"{"op":"variance","axis":0,"ddof":1}"#, 1),
    (r#"{"op":"std"}"#, 1),
    (r#"{"op":"median","axis":-1}"#, 1),
    (r#"{"op":"percentile","q":30,"axis":[0]}"#, 1),
    (r#"{"op":"mode","axis":0}"#, 1),
    (r#"{"op":"reshape","shape":[-1,2]}"#, 1),
    (r#"{"op":"flatten"}"#, 1),
    (r#"{"op":"ravel"}"#, 1),
    (r#"{"op":"transpose"}"#, 1),
    (r#"{"op":"transpose","axes":[1,0,2]}"#, 1),
    (r#"{"op":"expand_dims","axis":1}"#, 1),
    (r#"{"op":"squeeze"}"#, 1),
    (r#"{"op":"broadcast_to","shape":[2,3,2]}"#, 1),
    (r#"{"op":"slice","index":[{"step":-1},"...",{"from":1}]}"#, 1),
    (r#"{"op":"slice","index":[-1,"newaxis",{"step":2}]}"#, 1),
    (r#"{"op":"reverse","axis":[0,-1]}"#, 1),
    (r#"{"op":"shape_of"}"#, 1),
    (r#"{"op":"size"}"#, 1),
    (r#"{"op":"pad","widths":[[1,2],[0,1]],"value":7}"#, 1),
    (r#"{"op":"pad","widths":[[3,4]],"mode":"reflect"}"#, 1),
    (r#"{"op":"pad","widths":[[2,0],[1,1]],"mode":"edge"}"#, 1),
    (r#"{"op":"concat","axis":-1}"#, 2),
    (r#"{"op":"stack","axis":1}"#, 2),
    (r#"{"op":"split","sections":2,"axis":-1}"#, 1),
    (r#"{"op":"split","sections":[1,-1]}"#, 1),
    (r#"{"op":"tile","reps":[2,1,2]}"#, 1),
    (r#"{"op":"repeat","repeats":2,"axis":0}"#, 1),
    (r#"{"op":"repeat","repeats":[2,0,1],"axis":-1}"#, 1),
    (r#"{"op":"foreach","each":{"op":"cumsum"}}"#, 1),
    (r#"{"op":"gather","axis":0}"#, 2),
    (r#"{"op":"gather"}"#, 2),
    (r#"{"op":"set_item","index":[{"from":1}]}"#, 2),
    (r#"{"op":"one_hot","depth":4}"#, 1),
    (r#"{"op":"find_indices","values":[0,1,-2.5]}"#, 1),
    (r#"{"op":"argwhere"}"#, 1),
    (r#"{"op":"sort"}"#, 1),
    (r#"{"op":"sort","axis":0,"descending":true}"#, 1),
    (r#"{"op":"argsort","axis":null}"#, 1),
    (r#"{"op":"argsort","descending":true}"#, 1),
    (r#"{"op":"unique","return_inverse":true,"return_counts":true}"#, 1),
    (r#"{"op":"unique","axis":1,"return_counts":true}"#, 1),
    (r#"{"op":"bincount","minlength":3}"#, 1),
    (r#"{"op":"bincount"}"#, 2),
    (r#"{"op":"matmul"}"#, 2),
    (r#"{"op":"dot"}"#, 2),
    (r#"{"op":"einsum","equation":"ij,jk->ki"}"#, 2),
    (r#"{"op":"einsum","equation":"ij,ij"}"#, 2),
    (r#"{"op":"einsum","equation":"aij->ja"}"#, 1),
    (r#"{"op":"inverse"}"#, 1),
    (r#"{"op":"conv2d","padding":[1,0],"stride":[2,1]}"#, 2),
    (r#"{"op":"max_pool2d","kernel_size":[2,2],"stride":[1,1],"padding":[1,1]}"#, 1),
    (r#"{"op":"avg_pool2d","kernel_size":[1,2]}"#, 1),
    (r#"{"op":"arange","start":-1,"stop":7,"step":3}"#, 0),
    (r#"{"op":"arange","stop":-1.5,"step":-0.25}"#, 0),
    (r#"{"op":"zeros","shape":[2,0]}"#, 0),
    (r#"{"op":"ones","shape":[3],"dtype":"int32"}"#, 0),
    (r#"{"op":"full","shape":[2],"value":"-inf"}"#, 0),
    (r#"{"op":"random_uniform","shape":[5,7],"seed":12345678901,"low":-2,"high":3}"#, 0),
    (r#"{"op":"random_uniform","shape":[9],"seed":1,"dtype":"float64"}"#, 0),
    (r#"{"op":"random_normal","shape":[20],"seed":7,"mean":1,"std":2}"#, 0),
    (r#"{"op":"random_normal","shape":[20],"seed":7,"dtype":"float64"}"#, 0),
    (r#"{"op":"sample","size":2,"seed":5}"#, 1),
];

fn op(text: &str) -> Op {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

const SPECIAL: [f64; 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e9, -1e-30];

/// Small numbers, equal ones among them, and all that is special.
fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        6 => (-3_i64..4).prop_map(Number::Int),
        6 => (-40_i32..40).prop_map(|n| Number::Float(f64::from(n) / 7.0)),
        1 => prop::sample::select(SPECIAL.to_vec()).prop_map(Number::Float),
        1 => prop::sample::select(vec![i64::MAX, i64::MIN, 1 << 31, 1 << 33]).prop_map(Number::Int),
    ]
}

fn shape(rank: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1 => Just(0_usize), 3 => Just(1), 8 => Just(2), 8 => Just(3)], rank)
}

fn tensor() -> impl Strategy<Value = Tensor> {
    let ranks = prop_oneof![1 => Just(0_usize), 3 => Just(1), 5 => Just(2), 3 => Just(3), 3 => Just(4)];
    let shapes = ranks.prop_flat_map(shape);
    (shapes, prop::sample::select(DType::ALL.to_vec())).prop_flat_map(|(shape, dtype)| {
        let count = Shape::new(shape.clone()).count();
        prop::collection::vec(number(), count).prop_map(move |numbers| filled(&shape, dtype, &numbers))
    })
}

fn filled(shape: &[usize], dtype: DType, numbers: &[Number]) -> Tensor {
    // The reference is float64: squares of float32 must not be infinite before their sum is not.
    let tame = |number: &Number| match number {
        Number::Int(large) if dtype.is_float() => Number::Int((*large).clamp(-1_000_000_000, 1_000_000_000)),
        other => *other,
    };
    let elements: Vec<Number> = numbers.iter().map(tame).collect();
    ops::with_element!(dtype, T => {
        let elements: Vec<T> = elements.iter().map(|&number| <T as ops::Element>::from_number(number)).collect();
        Tensor::from_vec(shape, elements).expect("it fits")
    })
}

/// The largest absolute value that a bound may be relative to.
fn largest<'a>(numbers: impl IntoIterator<Item = &'a Number>) -> f64 {
    let sizes = numbers.into_iter().map(|number| number.to_f64().abs()).filter(|size| size.is_finite());
    sizes.fold(0.0, f64::max)
}

/// How far a result may be from the reference.
fn tolerance(bound: Bound, inputs: &[Tensor], right: f64, all: f64, epsilon: f64, least: f64) -> f64 {
    match bound {
        Bound::Exact => 0.0,
        Bound::Ulps(ulps) => f64::from(ulps) * (right.abs() * epsilon).max(least),
        Bound::Largest { epsilons } => epsilons * epsilon * all.max(1.0),
        // The inputs are few and small: a bound by their largest products is close enough to tell a
        // wrong element, and never below the stated one.
        Bound::Sum { factor } => {
            let terms: usize = inputs.iter().map(|input| input.shape().count()).sum::<usize>().max(1);
            let product: f64 = inputs.iter().map(|input| largest(&input.numbers()).max(1.0)).product();
            factor * terms as f64 * epsilon * (product * product.max(1.0)).max(right.abs())
        }
    }
}

fn judge(op: &Op, inputs: &[Tensor], is: &Tensor, right: &Tensor) -> Result<(), String> {
    if (is.dtype(), is.shape()) != (right.dtype(), right.shape()) {
        return Err(format!("{}{} where {}{} should be", is.dtype(), is.shape(), right.dtype(), right.shape()));
    }
    let (numbers, wanted) = (is.numbers(), right.numbers());
    let (epsilon, least) = match right.data() {
        Data::F32(_) => (f64::from(f32::EPSILON), f64::from(f32::from_bits(1))),
        Data::F64(_) => (f64::EPSILON, f64::from_bits(1)),
        _ => return if numbers == wanted { Ok(()) } else { Err(format!("{numbers:?} where {wanted:?} should be")) },
    };
    let all = largest(&wanted);
    for (place, (is, right)) in numbers.iter().zip(&wanted).enumerate() {
        let (is, right) = (is.to_f64(), right.to_f64());
        let tolerance = tolerance(op.operator().bound(), inputs, right, all, epsilon, least);
        let is_same = is == right || (is.is_nan() && right.is_nan());
        let is_near = (is - right).abs() <= tolerance;
        if !is_same && !is_near {
            return Err(format!("element {place} is {is:?} where {right:?} should be, {tolerance:e} more or less"));
        }
    }
    Ok(())
}

#[test]
fn every_op_is_among_them() {
    let names: std::collections::BTreeSet<&str> = OPS.iter().map(|(text, _)| op(text).name()).collect();
    macro_rules! all {
        ($($group:ident { $($name:ident)* })*) => {
            [$($(stringify!($name)),*),*].len()
        };
    }
    assert_eq!(names.len(), ops::operators!(all));
    for (text, _) in OPS {
        let op = op(text);
        let back: Op = serde_json::from_str(&serde_json::to_string(&op).expect("JSON")).expect("an op");
        assert_eq!(op, back);
    }
}

/// Inputs of an op. `is_alike`: all of one shape, so that what needs this is tried as well.
fn fitting(op: &Op, inputs: &[Tensor], is_alike: bool) -> Vec<Tensor> {
    let mut inputs = inputs.to_vec();
    if let (true, [first, others @ ..]) = (is_alike, &mut inputs[..]) {
        for other in others {
            let numbers: Vec<Number> = first.numbers().into_iter().rev().collect();
            *other = filled(first.shape().lengths(), other.dtype(), &numbers);
        }
    }
    if let (Op::Average(_), [_, weights]) = (op, &mut inputs[..]) {
        // A sum of weights that cancel has no bound, and so has no quotient by it.
        let positive = |number: &Number| Number::Float(number.to_f64().abs().clamp(0.1, 10.0));
        let numbers: Vec<Number> = weights.numbers().iter().map(positive).collect();
        *weights = filled(weights.shape().lengths(), weights.dtype(), &numbers);
    }
    inputs
}

#[test]
fn the_engine_gives_what_the_reference_gives() {
    let inputs = prop::collection::vec(tensor(), 3);
    let cases = (prop::sample::select(OPS), inputs, any::<bool>());
    let results = RefCell::new(BTreeMap::<&str, usize>::new());
    let config = ProptestConfig { cases: 40_000, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let ended = runner.run(&cases, |((text, count), inputs, is_alike)| {
        let op = op(text);
        let inputs = fitting(&op, &inputs[..count], is_alike);
        match (super::evaluate(&op, &inputs), reference::evaluate(&op, &inputs)) {
            (Ok(is), Ok(right)) => {
                prop_assert_eq!(is.len(), right.len());
                for (is, right) in is.iter().zip(&right) {
                    let judged = judge(&op, &inputs, is, right);
                    prop_assert!(judged.is_ok(), "{text} of {inputs:?}: {}", judged.unwrap_err());
                }
                *results.borrow_mut().entry(text).or_default() += 1;
            }
            (Err(_), Err(_)) => {}
            (is, right) => prop_assert!(false, "{text} of {inputs:?}: {is:?}, and the reference says {right:?}"),
        }
        Ok(())
    });
    ended.unwrap_or_else(|error| panic!("{error}"));
    // An op that random inputs never fit would not be tested.
    let rare: Vec<_> = OPS.iter().map(|(text, _)| (text, results.borrow().get(text).copied().unwrap_or(0))).collect();
    let rare: Vec<_> = rare.into_iter().filter(|(_, count)| *count < 2).collect();
    assert!(rare.is_empty(), "these ops were hardly ever computed: {rare:?}");
}
