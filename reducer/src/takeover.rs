//! Taking over answers from earlier openings of a job, for items that have not changed.
//!
//! Both plans are in the order of names, so tasks that hold the same items lie near each other.
//! Where they do not, the lookup finds nothing, and consumers do the work again.

use shared::protocol::id::OpeningId;
use shared::protocol::payload::Payload;

use crate::fold::{Before, Itemwise, Kept};
use crate::store::{Store, StoreError};

/// The earlier openings in the store that one job takes over from.
#[derive(Debug)]
pub(crate) struct Takeover {
    pub opening: OpeningId,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    row: i64,
    /// Number of tasks in its plan.
    tasks: u64,
    /// The task at which the last lookup began. The next lookup starts there.
    hint: u64,
}

impl Takeover {
    pub fn new(store: &Store, opening: OpeningId) -> Result<Self, StoreError> {
        let sources = store.followed(&opening)?.into_iter();
        let sources = sources.map(|(row, tasks)| Source { row, tasks, hint: 0 }).collect();
        Ok(Self { opening, sources })
    }

    /// The answer, or a part of it, that earlier openings have for a task of the new plan.
    pub fn find(&mut self, store: &Store, items: &dyn Itemwise, body: &Payload) -> Result<Option<Kept>, StoreError> {
        let Some((first, last)) = items.range(body) else { return Ok(None) };
        let mut before = Vec::new();
        // The latest opening comes first: its answer wins for an item that several openings have.
        for source in self.sources.iter_mut().rev() {
            source.collect(store, items, (&first, &last), &mut before)?;
        }
        Ok(items.keep(body, &before))
    }
}

impl Source {
    /// Collects the tasks that may hold items between these two names.
    fn collect(
        &mut self,
        store: &Store,
        items: &dyn Itemwise,
        (first, last): (&[u8], &[u8]),
        found: &mut Vec<Before>,
    ) -> Result<(), StoreError> {
        let mut number = self.begin(store, items, first)?;
        self.hint = number;
        while let Some((at, name)) = self.name(store, items, number)? {
            if name.as_slice() > last {
                break;
            }
            found.extend(store.before(self.row, at)?);
            number = at + 1;
        }
        Ok(())
    }

    /// The last task that begins at or before this name, or the first task if none does.
    fn begin(&self, store: &Store, items: &dyn Itemwise, first: &[u8]) -> Result<u64, StoreError> {
        let begins_before = |number: u64| -> Result<bool, StoreError> {
            Ok(self.name(store, items, number)?.is_some_and(|(_, name)| name.as_slice() <= first))
        };
        let (mut low, mut high) = (0, self.tasks);
        // Most lookups go through the plan in order, so search near the hint first.
        if begins_before(self.hint)? {
            low = self.hint;
            let mut step = 1;
            while low + step < high && begins_before(low + step)? {
                low += step;
                step *= 2;
            }
            high = high.min(low + step);
        }
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if begins_before(middle)? {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The number and the first name of the first task at or after `number` that has items.
    fn name(&self, store: &Store, items: &dyn Itemwise, number: u64) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let Some((at, body)) = store.body_from(self.row, number)? else { return Ok(None) };
        let name = items.range(&body).map(|(first, _)| first).unwrap_or_default();
        Ok(Some((at, name)))
    }
}
