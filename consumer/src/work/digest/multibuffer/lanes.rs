//! Assigns messages to the lanes of a kernel, and pads them.

use sha1::block_api::compress;

use super::Output;

/// The unit that the rounds work on.
pub(super) type Block = [u8; 64];

/// A chaining value of SHA-1: its five words, a to e.
pub(super) type State = [u32; 5];

/// FIPS 180-4, section 5.3.1.
const INITIAL: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A message that is being digested.
struct Lane<'a> {
    /// Index of the message.
    message: usize,
    state: State,
    /// The remaining whole blocks of the message.
    blocks: &'a [Block],
    /// The end of the message with its padding. Of the two blocks the last `tail_left` remain.
    tail: [Block; 2],
    tail_left: usize,
}

impl<'a> Lane<'a> {
    fn new(message: usize, content: &'a [u8]) -> Self {
        let (blocks, rest) = content.as_chunks();
        let tail_left = if rest.len() + 1 + size_of::<u64>() <= size_of::<Block>() { 1 } else { 2 };
        let mut tail = [[0; 64]; 2];
        let padded = tail[2 - tail_left..].as_flattened_mut();
        padded[..rest.len()].copy_from_slice(rest);
        padded[rest.len()] = 0x80;
        let bits = (content.len() as u64) * 8;
        let end = padded.len() - size_of::<u64>();
        padded[end..].copy_from_slice(&bits.to_be_bytes());
        Self { message, state: INITIAL, blocks, tail, tail_left }
    }

    /// The next blocks that lie in one slice.
    fn next(&self) -> &[Block] {
        if self.blocks.is_empty() { &self.tail[2 - self.tail_left..] } else { self.blocks }
    }

    fn advance(&mut self, state: State, count: usize) {
        self.state = state;
        if self.blocks.is_empty() {
            self.tail_left -= count;
        } else {
            self.blocks = &self.blocks[count..];
        }
    }

    fn is_done(&self) -> bool {
        self.blocks.is_empty() && self.tail_left == 0
    }

    fn output(&self) -> Output {
        let mut output = [0; 20];
        for (bytes, word) in output.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        output
    }
}

/// Compresses blocks into `N` states side by side.
pub(super) trait Kernel<const N: usize>: Copy {
    /// The number of lanes in use from which the kernel is faster than one message after the other.
    const WORTHWHILE: usize;

    /// Compresses the blocks of each lane into its state. All lanes have the same number of blocks.
    fn compress(self, states: &mut [State; N], blocks: [&[Block]; N]);
}

pub(super) fn sha1_each<const N: usize, K: Kernel<N>>(messages: &[&[u8]], kernel: K) -> Vec<Output> {
    let mut outputs = vec![[0; 20]; messages.len()];
    // The longest messages first, so that the last ones end at nearly the same time.
    let mut order: Vec<usize> = (0..messages.len()).collect();
    order.sort_unstable_by_key(|&message| std::cmp::Reverse(messages[message].len()));
    let mut waiting = order.into_iter().map(|message| Lane::new(message, messages[message]));
    let mut lanes: Vec<Lane> = waiting.by_ref().take(N).collect();
    while lanes.len() >= K::WORTHWHILE {
        step(&mut lanes, kernel);
        lanes.retain_mut(|lane| {
            if lane.is_done() {
                outputs[lane.message] = lane.output();
                let Some(next) = waiting.next() else { return false };
                *lane = next;
            }
            true
        });
    }
    for mut lane in lanes.into_iter().chain(waiting) {
        while !lane.is_done() {
            let (mut state, next) = (lane.state, lane.next());
            compress(&mut state, next);
            lane.advance(state, next.len());
        }
        outputs[lane.message] = lane.output();
    }
    outputs
}

/// Advances all lanes by as many blocks as each of them has. If fewer lanes are in use than the
/// kernel has, the rest repeat the first lane's work.
fn step<const N: usize>(lanes: &mut [Lane], kernel: impl Kernel<N>) {
    let count = lanes.iter().map(|lane| lane.next().len()).min().unwrap_or(0);
    let lane = |at: usize| lanes.get(at).unwrap_or(&lanes[0]);
    let mut states = std::array::from_fn(|at| lane(at).state);
    kernel.compress(&mut states, std::array::from_fn(|at| &lane(at).next()[..count]));
    for (lane, state) in lanes.iter_mut().zip(states) {
        lane.advance(state, count);
    }
}
