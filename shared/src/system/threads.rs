//! Starts threads, and explains failures to start one.

use std::io;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

const ADVICE: &str = "raise the limit of processes and threads (ulimit -u, the pids limit of a container, TasksMax \
                      of a systemd unit)";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot start a thread: {cause}; {ADVICE}")]
pub struct NoThread {
    cause: String,
}

impl NoThread {
    pub fn because(cause: impl std::fmt::Display) -> Self {
        Self { cause: cause.to_string() }
    }
}

pub fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, NoThread> {
    Builder::new().name(name.to_owned()).spawn(run).map_err(NoThread::because)
}

/// Checks that `count` more threads can be started now, by starting them. They have ended when this
/// returns.
pub fn can_start(count: usize) -> Result<(), NoThread> {
    let gate = Gate::default();
    let start = |_| {
        let gate = gate.clone();
        start("probe", move || gate.pass())
    };
    let started: Result<Vec<_>, _> = (0..count).map(start).collect();
    gate.open();
    for thread in started? {
        // The thread only waits, so it cannot panic.
        let _ = thread.join();
    }
    Ok(())
}

/// The text of an error in starting a process, with advice if a limit on threads or processes is
/// the cause.
pub fn explained(error: &io::Error) -> String {
    let is_limit = error.kind() == io::ErrorKind::WouldBlock;
    if is_limit { format!("{error}; {ADVICE}") } else { error.to_string() }
}

/// A gate at which threads wait until it is opened. It stays open.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Mutex<Queue>, Condvar)>);

#[derive(Debug, Default)]
struct Queue {
    waiting: usize,
    is_open: bool,
}

impl Gate {
    /// Waits until the gate is open.
    pub fn pass(&self) {
        let (queue, changed) = &*self.0;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting += 1;
        changed.notify_all();
        while !queue.is_open {
            queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits up to `patience` until `count` threads wait at the same time; returns whether they do.
    pub fn gathers(&self, count: usize, patience: Duration) -> bool {
        let (queue, changed) = &*self.0;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        while queue.waiting < count {
            let Some(left) = patience.checked_sub(began.elapsed()) else { return false };
            queue = changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Opens the gate for all threads.
    pub fn open(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).is_open = true;
        self.0.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_are_counted_and_pass_when_the_gate_is_opened() {
        let gate = Gate::default();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let gate = gate.clone();
                start("waits", move || gate.pass()).expect("it starts")
            })
            .collect();
        assert!(gate.gathers(3, Duration::from_secs(10)));
        assert!(!gate.gathers(4, Duration::from_millis(10)));
        assert!(threads.iter().all(|thread| !thread.is_finished()));
        gate.open();
        threads.into_iter().for_each(|thread| thread.join().expect("it ends"));
        assert!(can_start(4).is_ok());
    }

    #[test]
    fn what_to_do_is_said_where_a_limit_is_met() {
        let told = NoThread::because("Resource temporarily unavailable").to_string();
        assert!(told.contains("cannot start a thread: Resource temporarily unavailable; raise the limit"), "{told}");
        assert!(explained(&io::ErrorKind::WouldBlock.into()).contains("ulimit -u"));
        assert!(!explained(&io::ErrorKind::NotFound.into()).contains("ulimit -u"));
    }
}
