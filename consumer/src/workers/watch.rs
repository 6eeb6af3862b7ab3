//! The watch over the slots of a pool: a thread that looks whether one of them is stuck in a call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use shared::system::threads::{self, NoThread};

use super::desk::Desk;

/// The watch looks no more often than this, so that it costs nothing beside the calls.
const PAUSE: Duration = Duration::from_millis(1);

/// Its thread ends when the last slot has dropped it.
pub(super) struct Watch {
    desks: Mutex<Vec<Arc<Desk>>>,
    /// Whether the thread sleeps until it is woken.
    is_asleep: AtomicBool,
    wake: Sender<()>,
}

impl Watch {
    pub fn start() -> Result<Arc<Self>, NoThread> {
        let (wake, woken) = mpsc::channel();
        let watch = Arc::new(Self { desks: Mutex::default(), is_asleep: AtomicBool::new(true), wake });
        let watched = Arc::downgrade(&watch);
        threads::start("call watch", move || run(&watched, &woken))?;
        Ok(watch)
    }

    /// The desk of one more slot.
    pub fn desk(&self) -> Arc<Desk> {
        let desk = Arc::<Desk>::default();
        self.desks.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&desk));
        desk
    }

    /// A slot has begun a pack that may be cut.
    pub fn begun(&self) {
        if self.is_asleep.swap(false, Ordering::SeqCst) {
            // The thread lives as long as this.
            let _ = self.wake.send(());
        }
    }

    /// Looks at all slots. Returns when one may be stuck.
    fn look(&self) -> Option<Instant> {
        let now = Instant::now();
        let desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        desks.iter().filter_map(|desk| desk.look(now)).min()
    }
}

fn run(watched: &Weak<Watch>, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        while let Some(next) = watched.upgrade().and_then(|watch| next_look(&watch)) {
            thread::sleep(next.saturating_duration_since(Instant::now()).max(PAUSE));
        }
    }
}

/// When to look again; `None` once somebody wakes the thread for it.
fn next_look(watch: &Watch) -> Option<Instant> {
    watch.look().or_else(|| {
        watch.is_asleep.store(true, Ordering::SeqCst);
        // A pack that was begun just before has woken nobody.
        watch.look()
    })
}
