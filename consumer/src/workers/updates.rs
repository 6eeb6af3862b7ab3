//! What its owner tells a pool's workers: what they begin with, and updates. Slots of one pool share
//! what was fetched.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::protocol::id::{JobId, OpeningId, OwnerId};
use shared::protocol::limits;
use shared::protocol::message::{Reply, Request, Update, Updates};
use shared::protocol::payload::Payload;
use shared::transport::Transport;
use shared::transport::ask::Asker;
use tokio::runtime::Handle;

/// How often an owner is asked before the task has failed.
const TRIES: u32 = 5;

/// Where updates come from.
pub(crate) trait Source: Send {
    /// The updates after a version, as many as fit; with `None` from the first on, with what
    /// workers begin with. It waits for the answer.
    fn fetch(&mut self, after: Option<u64>) -> Result<Updates, String>;
}

/// The updates of one pool, as far as its slots need them.
pub(crate) struct Log(Mutex<State>);

struct State {
    source: Box<dyn Source>,
    init: Option<Payload>,
    /// Those after version `trimmed`, without those that others replaced.
    updates: VecDeque<Update>,
    /// All slots have handled the updates up to this version.
    trimmed: u64,
    /// The updates up to this version were fetched.
    fetched: u64,
    /// What each slot has handled.
    slots: BTreeMap<u32, u64>,
}

impl Log {
    pub fn new(source: Box<dyn Source>) -> Self {
        let (updates, slots) = (VecDeque::new(), BTreeMap::new());
        Self(Mutex::new(State { source, init: None, updates, trimmed: 0, fetched: 0, slots }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a worker begins with. The slot counts as one at version 0 from now on.
    pub fn init(&self, slot: u32) -> Result<Payload, String> {
        let mut state = self.state();
        state.slots.insert(slot, 0);
        if let Some(init) = &state.init {
            return Ok(init.clone());
        }
        let Updates { init, updates, version } = state.source.fetch(None)?;
        let init = init.ok_or_else(|| "its owner has nothing that a worker begins with".to_owned())?;
        state.init = Some(init.clone());
        // Where no update fits beside it, the first ones are fetched when they are needed.
        if !updates.is_empty() {
            state.add(updates, version)?;
        }
        Ok(init)
    }

    /// The updates that a slot at version `at` handles next, at least up to version `need`, as far
    /// as they are known. Empty if there are none.
    pub fn after(&self, at: u64, need: u64) -> Result<Vec<Update>, String> {
        let mut state = self.state();
        while state.fetched < need {
            let fetched = state.fetched;
            let Updates { updates, version, .. } = state.source.fetch(Some(fetched))?;
            if version < need {
                return Err(format!("version {need} is asked for, and its owner has version {version}"));
            }
            state.add(updates, version)?;
        }
        if at >= state.trimmed {
            return Ok(state.updates.iter().filter(|update| update.version > at).cloned().collect());
        }
        // A slot that begins again, after the others have gone on.
        Ok(state.source.fetch(Some(at))?.updates)
    }

    /// A slot has handled the updates up to this version.
    pub fn handled(&self, slot: u32, version: u64) {
        let mut state = self.state();
        state.slots.insert(slot, version);
        state.trim();
    }
}

impl State {
    fn add(&mut self, updates: Vec<Update>, version: u64) -> Result<(), String> {
        let Some(last) = updates.last() else {
            // All up to there were fetched.
            return if version == self.fetched { Ok(()) } else { Err("its owner gives no updates".to_owned()) };
        };
        self.fetched = last.version;
        for update in updates {
            if update.replaces {
                self.updates.clear();
            }
            self.updates.push_back(update);
        }
        Ok(())
    }

    fn trim(&mut self) {
        let handled = self.slots.values().min().copied().unwrap_or(0);
        self.trimmed = self.trimmed.max(handled);
        while self.updates.front().is_some_and(|update| update.version <= self.trimmed) {
            self.updates.pop_front();
        }
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        write!(f, "updates after {} up to {}", state.trimmed, state.fetched)
    }
}

/// The owner of a pool's job, asked over the control exchange.
pub(crate) struct Owner {
    pub transport: Arc<dyn Transport>,
    pub runtime: Handle,
    pub owner: OwnerId,
    pub job: JobId,
    pub opening: OpeningId,
    /// Made with the first question.
    pub asker: Option<Asker>,
}

impl Source for Owner {
    fn fetch(&mut self, after: Option<u64>) -> Result<Updates, String> {
        let request = Request::Updates { job: self.job.clone(), opening: self.opening.clone(), after };
        let runtime = self.runtime.clone();
        runtime.block_on(self.ask(&request))
    }
}

impl Owner {
    async fn ask(&mut self, request: &Request) -> Result<Updates, String> {
        for _ in 0..TRIES {
            let asker = match &mut self.asker {
                Some(asker) => asker,
                None => {
                    let asker = Asker::new(Arc::clone(&self.transport)).await.map_err(|error| error.to_string())?;
                    self.asker.insert(asker)
                }
            };
            match asker.ask(&self.owner, request, limits::CONTROL_TIMEOUT).await {
                Ok(Some(Reply::Updates(updates))) => return Ok(updates),
                Ok(Some(Reply::UnknownJob)) => {
                    return Err(format!("its owner does not know job {} any more", self.job));
                }
                Ok(Some(Reply::Refused { reason })) => return Err(reason),
                Ok(_) => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!("owner {} does not answer", self.owner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An owner with these updates, which gives two at a time.
    struct Fixed(Vec<Update>);

    impl Source for Fixed {
        fn fetch(&mut self, after: Option<u64>) -> Result<Updates, String> {
            let version = self.0.last().map_or(0, |update| update.version);
            let wanted = self.0.iter().filter(|update| update.version > after.unwrap_or(0));
            let updates = wanted.take(2).cloned().collect();
            Ok(Updates { init: after.is_none().then(|| Payload::json("0")), updates, version })
        }
    }

    fn update(version: u64, replaces: bool) -> Update {
        Update { version, replaces, body: Payload::json(version.to_string()) }
    }

    fn versions(updates: Result<Vec<Update>, String>) -> Vec<u64> {
        updates.expect("the owner answers").iter().map(|update| update.version).collect()
    }

    #[test]
    fn slots_get_each_update_in_order_and_late_ones_the_history() {
        let log = Log::new(Box::new(Fixed((1..=5).map(|version| update(version, false)).collect())));
        log.init(0).expect("the owner answers");
        assert_eq!(versions(log.after(0, 4)), [1, 2, 3, 4]);
        log.handled(0, 4);
        assert_eq!(versions(log.after(4, 5)), [5]);
        // It fetches as many as a reply holds, and comes back for the rest.
        log.init(1).expect("the owner answers");
        assert_eq!((versions(log.after(0, 5)), versions(log.after(2, 5))), (vec![1, 2], vec![3, 4]));
        log.handled(1, 5);
        log.handled(0, 5);
        assert_eq!(log.state().updates.len(), 0);
    }

    /// An owner whose first reply has no room for an update.
    struct Large;

    impl Source for Large {
        fn fetch(&mut self, after: Option<u64>) -> Result<Updates, String> {
            let updates = if after.is_none() { Vec::new() } else { vec![update(1, false)] };
            Ok(Updates { init: after.is_none().then(|| Payload::json("0")), updates, version: 1 })
        }
    }

    #[test]
    fn what_a_worker_begins_with_may_leave_no_room_for_updates() {
        let log = Log::new(Box::new(Large));
        log.init(0).expect("the owner answers");
        assert_eq!(versions(log.after(0, 1)), [1]);
    }

    #[test]
    fn an_update_that_replaces_the_others_is_enough() {
        let log = Log::new(Box::new(Fixed(vec![update(7, true), update(8, false)])));
        log.init(0).expect("the owner answers");
        assert_eq!(versions(log.after(0, 8)), [7, 8]);
        assert!(log.after(0, 9).is_err());
    }
}
