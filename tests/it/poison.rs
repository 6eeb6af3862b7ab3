//! Items that kill whatever works on them. Nothing in the product helps: a thread of the test sends a
//! signal to each process that has such a file open.
//!
//! # Layout
//! - `apart`: the work in isolation, without a broker
//! - `fleet`: consumers over RabbitMQ, started again as by a supervisor

mod apart;
mod fleet;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::world::{holders, send};

/// Larger than anyone reads: its reader is there until it is killed.
const ENDLESS: u64 = 1 << 40;

/// Sends a signal to every process that opens a file, until it is dropped.
struct Killer {
    killed: Arc<Mutex<BTreeSet<u32>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Killer {
    /// Of those who open this file, or one beneath this directory.
    fn of(path: &Path, signal: &'static str) -> Self {
        let killed = Arc::<Mutex<BTreeSet<u32>>>::default();
        let over = Arc::<AtomicBool>::default();
        let (path, list, end) = (path.to_owned(), Arc::clone(&killed), Arc::clone(&over));
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                for process in holders(&path) {
                    // Again and again is no harm; the list has each once, and before it is gone.
                    list.lock().expect("no panic under this lock").insert(process);
                    send(signal, process);
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        Self { killed, over, thread: Some(thread) }
    }

    fn killed(&self) -> usize {
        self.killed.lock().expect("no panic under this lock").len()
    }
}

impl Drop for Killer {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
