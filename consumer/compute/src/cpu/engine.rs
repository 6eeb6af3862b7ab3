//! Computes a program, one node after the other. Functions of elements wait until their results are
//! needed, so that chains of them are computed in one pass.

use ops::lower::{Primitive, Program, Value};
use ops::{OpError, Tensor};

use super::chain::Chain;
use super::view::View;
use super::{fold, order, places, product, random};

pub(super) struct Engine<'a> {
    pub program: &'a Program,
    inputs: &'a [Tensor],
    /// The results of each node that was computed.
    done: Vec<Option<Vec<View>>>,
    /// How many nodes and outputs use a node.
    uses: Vec<usize>,
}

/// The results of a program.
pub(super) fn run(program: &Program, inputs: &[Tensor]) -> Result<Vec<Tensor>, OpError> {
    let mut uses = vec![0; program.nodes.len()];
    let all = program.nodes.iter().flat_map(|node| &node.arguments).chain(&program.outputs);
    all.for_each(|value| uses[value.node as usize] += 1);
    let mut engine = Engine { program, inputs, done: vec![None; program.nodes.len()], uses };
    // In order, so that a long chain of nodes needs no deep stack.
    for node in 0..program.nodes.len() {
        if !engine.can_wait(node) {
            engine.compute(node)?;
        }
    }
    program.outputs.iter().map(|&value| Ok(engine.view(value)?.tensor())).collect()
}

impl Engine<'_> {
    /// Whether a node is left to the one node that uses it: a function of elements within a chain.
    fn can_wait(&self, node: usize) -> bool {
        matches!(self.program.nodes[node].primitive, Primitive::Map(_)) && self.uses[node] == 1
    }

    /// Whether a value is computed within the chain that uses it.
    pub fn is_waiting(&self, value: Value) -> bool {
        self.done[value.node as usize].is_none() && self.can_wait(value.node as usize)
    }

    /// A value; it is computed now if it has waited.
    pub fn view(&mut self, value: Value) -> Result<View, OpError> {
        let node = value.node as usize;
        if self.done[node].is_none() {
            self.compute(node)?;
        }
        let results = self.done[node].as_ref().map(|results| results[value.output as usize].clone());
        results.ok_or_else(|| OpError::new("a node uses one after it"))
    }

    fn compute(&mut self, node: usize) -> Result<(), OpError> {
        let results = self.results(node)?;
        self.done[node] = Some(results);
        Ok(())
    }

    fn results(&mut self, number: usize) -> Result<Vec<View>, OpError> {
        let program = self.program;
        let node = &program.nodes[number];
        if let Primitive::Map(_) = node.primitive {
            return Ok(vec![Chain::of(self, number)?.run()]);
        }
        let arguments: Vec<View> = node.arguments.iter().map(|&value| self.view(value)).collect::<Result<_, _>>()?;
        let shape = node.types[0].1.clone().unwrap_or_default();
        let first = || arguments[0].clone();
        Ok(vec![match &node.primitive {
            Primitive::Map(_) => unreachable!("handled above"),
            Primitive::Input(input) => View::of(&self.inputs[*input]),
            Primitive::Constant(tensor) => View::of(tensor),
            Primitive::Reshape => first().reshape(&shape),
            Primitive::Permute(order) => first().permute(order),
            Primitive::Broadcast => first().broadcast(&shape),
            Primitive::Slice(runs) => first().runs(runs.iter().map(|run| (run.start, run.step, run.count))),
            Primitive::Windows(windows) => first().windows(windows, &shape),
            Primitive::Pad(widths) => places::pad(&arguments[0], &arguments[1], widths, shape),
            Primitive::Concat { axis } => places::concat(&arguments, *axis, shape),
            Primitive::Gather { axis } => places::gather(&arguments[0], &arguments[1], *axis, shape),
            Primitive::GatherAlong { axis } => places::gather_along(&arguments[0], &arguments[1], *axis, shape),
            Primitive::Scatter { adds } => places::scatter(&arguments, *adds, shape),
            Primitive::Reduce { fold, axes } => fold::reduce(&arguments[0], *fold, axes, shape),
            Primitive::Argmax { axis } => fold::argmax(&arguments[0], *axis, shape),
            Primitive::Cumsum { axis } => fold::cumsum(&arguments[0], *axis),
            Primitive::Sort => return Ok(order::sort(&arguments[0])),
            Primitive::Matmul => product::matmul(&arguments[0], &arguments[1], shape),
            Primitive::Inverse => product::inverse(&arguments[0])?,
            Primitive::Iota => View::new(shape.clone(), (0..shape.count() as i64).collect()),
            Primitive::RandomBits { key } => View::new(shape.clone(), random::words(*key, shape.count())),
            Primitive::Nonzero { is_flat } => order::nonzero(&arguments[0], *is_flat),
            Primitive::Unique { axis } => return Ok(order::unique(&arguments[0], *axis)),
            Primitive::Bincount { minlength } => order::bincount(&arguments, *minlength),
            Primitive::Require(else_say) => {
                let holds = arguments[1].to_vec::<u8>().into_iter().all(|holds| holds != 0);
                if !holds {
                    return Err(OpError(else_say.clone()));
                }
                first()
            }
        }])
    }
}
