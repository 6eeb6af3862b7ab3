//! The results of a caller's calls, as they come.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};
use std::vec;

use shared::protocol::workload::call::{CallResult, Codec, Results as Answer, Worker};
use tokio::sync::mpsc;

use super::error::PoolError;
use super::pack::Delivery;
use super::room::Place;

/// Results of calls with consecutive indices.
struct Chunk {
    first: u64,
    results: vec::IntoIter<Result<CallResult, PoolError>>,
    /// Given back when all were taken.
    _room: Option<Place>,
}

/// The results of [`Pool::imap`](super::Pool::imap), in the order of the arguments, or of
/// [`Pool::imap_unordered`](super::Pool::imap_unordered), as they come. Whoever drops it wants no
/// more: the iterator of arguments ends, and calls that are under way are done for nothing.
pub struct Results<W: Worker> {
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    is_ordered: bool,
    current: Option<Chunk>,
    /// Chunks that came before their turn, or while another was taken, by their first index.
    early: BTreeMap<u64, Chunk>,
    taken: u64,
    /// The number of calls, once it is known.
    calls: Option<u64>,
    over: Arc<OnceLock<PoolError>>,
    worker: PhantomData<fn() -> W>,
}

impl<W: Worker> Results<W> {
    pub(super) fn new(
        deliveries: mpsc::UnboundedReceiver<Delivery>,
        is_ordered: bool,
        over: Arc<OnceLock<PoolError>>,
    ) -> Self {
        let (current, early, taken, calls, worker) = (None, BTreeMap::new(), 0, None, PhantomData);
        Self { deliveries, is_ordered, current, early, taken, calls, over, worker }
    }

    /// The next result; `None` after the last one. Cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Option<Result<W::Output, PoolError>> {
        self.next_with_index().await.map(|(_, result)| result)
    }

    /// The next result, with the index of its argument. An error of the whole pool has the index of
    /// the first result that is missing, and is the last one.
    pub async fn next_with_index(&mut self) -> Option<(u64, Result<W::Output, PoolError>)> {
        loop {
            if let Some((index, result)) = self.current.as_mut().and_then(Chunk::next) {
                self.taken += 1;
                return Some((index, result.and_then(|result| read::<W>(index, result))));
            }
            self.current = None;
            let next = match self.is_ordered {
                true => self.early.remove(&self.taken),
                false => self.early.pop_first().map(|(_, chunk)| chunk),
            };
            if let Some(chunk) = next {
                self.current = Some(chunk);
                continue;
            }
            if self.calls.is_some_and(|calls| self.taken >= calls) {
                return None;
            }
            let Some(delivery) = self.deliveries.recv().await else {
                self.calls = Some(self.taken);
                let why = self.over.get().cloned();
                return Some((self.taken, Err(why.unwrap_or(PoolError::Terminated))));
            };
            self.take(delivery);
        }
    }

    fn take(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Several(deliveries) => deliveries.into_iter().for_each(|delivery| self.take(delivery)),
            Delivery::Answer { first, answer, room } => {
                // The owner has read it, so it can be read.
                let results = Answer::parse(&answer).map_or_else(|_| Vec::new(), |answer| answer.results);
                self.add(first, results.into_iter().map(Ok).collect(), room);
            }
            Delivery::Results(results, room) => {
                // Their room is free once they are here; they are few.
                drop(room);
                results.into_iter().for_each(|(index, result)| self.add(index, vec![Ok(result)], None));
            }
            Delivery::Failed { index, error } => self.add(index, vec![Err(error)], None),
            Delivery::GivenUp { index, reason } => {
                self.add(index, vec![Err(PoolError::GivenUp { index, reason })], None);
            }
            Delivery::End { calls } => self.calls = Some(calls),
        }
    }

    fn add(&mut self, first: u64, results: Vec<Result<CallResult, PoolError>>, room: Option<Place>) {
        let chunk = Chunk { first, results: results.into_iter(), _room: room };
        if self.current.is_none() && (!self.is_ordered || first == self.taken) {
            self.current = Some(chunk);
        } else {
            self.early.insert(first, chunk);
        }
    }
}

impl Chunk {
    fn next(&mut self) -> Option<(u64, Result<CallResult, PoolError>)> {
        let result = self.results.next()?;
        let index = self.first;
        self.first += 1;
        Some((index, result))
    }
}

fn read<W: Worker>(index: u64, result: CallResult) -> Result<W::Output, PoolError> {
    let bytes = result.map_err(|cause| PoolError::Call { index, cause })?;
    W::Codec::read(&bytes).map_err(|cause| PoolError::Codec { index, cause })
}
