//! The parts of one task's answer: which comes next, under which number, and what to do with one
//! that is too large. It decides and does no I/O.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use shared::protocol::id::RunId;
use shared::protocol::message::{Address, Part, Parts};
use shared::protocol::payload::Payload;

use crate::work::{self, Piece, Unsent};

/// Pieces on their way to the owner, one part at a time: the next one follows when the broker has
/// confirmed the one before. So the owner has all parts before it gets the outcome.
#[derive(Debug)]
pub struct PartQueue {
    address: Address,
    /// The confirmed parts. Few tasks have any, so the run gets its id with the first piece.
    confirmed: Option<Parts>,
    /// The first one is published next.
    pieces: VecDeque<Piece>,
}

impl PartQueue {
    /// `address` is that of the task.
    pub fn new(address: Address) -> Self {
        Self { address, confirmed: None, pieces: VecDeque::new() }
    }

    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Adds a piece of the answer. `new_run` makes an id that no other run of the task has.
    pub fn push(&mut self, piece: Piece, new_run: impl FnOnce() -> RunId) {
        self.confirmed.get_or_insert_with(|| Parts { run: new_run(), count: 0 });
        self.pieces.push_back(piece);
    }

    /// The part to publish now. It stays the same until it is confirmed or too large.
    pub fn next(&self) -> Option<Part> {
        let (piece, parts) = self.pieces.front().zip(self.confirmed.as_ref())?;
        let (address, run, body) = (self.address.clone(), parts.run.clone(), piece.body.clone());
        Some(Part { address, run, number: parts.count, item: piece.item, body })
    }

    /// The broker has confirmed the part.
    pub fn confirmed(&mut self) {
        if let Some(parts) = self.confirmed.as_mut().filter(|_| self.pieces.pop_front().is_some()) {
            parts.count += 1;
        }
    }

    /// The part is larger than a message. It is cut in two where its workload allows. Otherwise its
    /// item has no result, for this reason (`why`), and the pieces that wait are dropped.
    pub fn too_large(&mut self, why: impl std::fmt::Display) -> Result<(), Unsent> {
        let Some(Piece { item, body: Payload { content_type, bytes } }) = self.pieces.pop_front() else {
            return Ok(());
        };
        let Some(at) = work::of(self.address.workload).cut(&bytes) else {
            self.give_up();
            return Err(Unsent::TooLarge(format!("a part of its answer cannot be sent: {why}")));
        };
        for bytes in [bytes.slice(at..), bytes.slice(..at)] {
            self.pieces.push_front(Piece { item, body: Payload { content_type: content_type.clone(), bytes } });
        }
        Ok(())
    }

    /// Drops the pieces that are not confirmed.
    pub fn give_up(&mut self) {
        self.pieces.clear();
    }

    /// The confirmed parts, for the outcome. `None` if the answer has no pieces.
    pub fn parts(self) -> Option<Parts> {
        self.confirmed
    }
}
