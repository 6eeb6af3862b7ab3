//! Chains of functions of elements, computed tile by tile: what one function leaves in the cache the
//! next one takes from there, and no array is made between them.

use std::collections::BTreeMap;

use ops::lower::{Function, Primitive, Value};
use ops::{DType, Element, OpError, Shape, with_element};

use super::engine::Engine;
use super::functions::{self, Tile};
use super::view::View;

/// Elements of a tile: some tiles of 8 bytes an element fit into a first-level cache.
pub(super) const TILE: usize = 1024;

/// A function in a chain. Numbers are those of registers.
struct Step {
    function: Function,
    arguments: Vec<usize>,
    result: usize,
}

pub(super) struct Chain {
    shape: Shape,
    /// What is read, and into which register.
    reads: Vec<(View, usize)>,
    steps: Vec<Step>,
    /// The type of each register. The last step's is the result's.
    registers: Vec<DType>,
    known: BTreeMap<Value, usize>,
}

impl Chain {
    /// The chain that ends with a node. Functions before it that wait for it belong to it.
    pub fn of(engine: &mut Engine<'_>, node: usize) -> Result<Self, OpError> {
        let shape = engine.program.nodes[node].types[0].1.clone().unwrap_or_default();
        let mut chain =
            Self { shape, reads: Vec::new(), steps: Vec::new(), registers: Vec::new(), known: BTreeMap::new() };
        // Without recursion: a chain may be long. A node is visited again once its arguments are there.
        let last = Value { node: u32::try_from(node).unwrap_or(u32::MAX), output: 0 };
        let mut open = vec![last];
        while let Some(&value) = open.last() {
            if chain.known.contains_key(&value) {
                open.pop();
                continue;
            }
            let inner = &engine.program.nodes[value.node as usize];
            let Primitive::Map(function) = inner.primitive else { unreachable!("only functions wait") };
            let mut is_ready = true;
            for &argument in &inner.arguments {
                if chain.known.contains_key(&argument) {
                    continue;
                }
                if engine.is_waiting(argument) {
                    open.push(argument);
                    is_ready = false;
                } else {
                    let view = engine.view(argument)?;
                    let register = chain.register(argument, view.dtype());
                    chain.reads.push((view, register));
                }
            }
            if is_ready {
                open.pop();
                let arguments = inner.arguments.iter().map(|argument| chain.known[argument]).collect();
                let result = chain.register(value, inner.types[0].0);
                chain.steps.push(Step { function, arguments, result });
            }
        }
        Ok(chain)
    }

    fn register(&mut self, value: Value, dtype: DType) -> usize {
        self.registers.push(dtype);
        self.known.insert(value, self.registers.len() - 1);
        self.registers.len() - 1
    }

    pub fn run(self) -> View {
        let dtype = self.registers.last().copied().unwrap_or(DType::Bool);
        with_element!(dtype, T => {
            let elements = self.fill::<T>();
            View::new(self.shape, elements)
        })
    }

    fn fill<T: Element>(&self) -> Vec<T> {
        let mut elements = vec![T::default(); self.shape.count()];
        let mut tiles: Vec<Tile> = self.registers.iter().map(|&dtype| Tile::new(dtype)).collect();
        for (number, target) in elements.chunks_mut(TILE).enumerate() {
            for (view, register) in &self.reads {
                tiles[*register].read(view, number * TILE, target.len());
            }
            for Step { function, arguments, result } in &self.steps {
                let mut into = std::mem::replace(&mut tiles[*result], Tile::Bool(Vec::new()));
                let of: Vec<&Tile> = arguments.iter().map(|&register| &tiles[register]).collect();
                functions::apply(*function, &of, &mut into, target.len());
                tiles[*result] = into;
            }
            if let Some(last) = tiles.last() {
                last.write(target);
            }
        }
        elements
    }
}
