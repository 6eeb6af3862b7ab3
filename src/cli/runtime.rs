//! The threads of a command. All of them are started before the work begins and stay, so the work
//! never waits for a thread that the system refuses.

use std::panic::{set_hook, take_hook};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use shared::protocol::limits::SLOT_THREADS_MAX;
use shared::system::threads::{Gate, NoThread, can_start};
use tokio::runtime::{Builder, Runtime};

use super::{Exit, Failure, term};

/// Threads that the client library starts for the connections to a broker.
const CONNECTIONS: usize = 3;

/// How long a thread that does nothing stays: for ever, as far as a process is concerned.
const KEEP_ALIVE: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// How long started threads may take until they run.
const PATIENCE: Duration = Duration::from_secs(5);

/// Interval between two checks whether they run.
const LOOK: Duration = Duration::from_millis(20);

/// How many threads a command needs besides the runtime's workers, of which there is one for each
/// core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Threads for blocking calls: files, the report.
    blocking: usize,
    /// Threads that the command starts later: the planner, the ledger, connections, the keyboard,
    /// one for each task at a time.
    later: usize,
}

impl Threads {
    /// For a command that asks or submits.
    pub const ASKING: Self = Self { blocking: 2, later: 2 + CONNECTIONS };

    /// For a reducer, which writes reports and reads them for others at the same time.
    pub const OWNING: Self = Self { blocking: 6, later: 1 + CONNECTIONS };

    /// For a command or a role that works on `slots` tasks at a time; `None`: one for each core.
    pub fn working(slots: Option<u32>) -> Self {
        let max = SLOT_THREADS_MAX as usize;
        let cores = || available_parallelism().map_or(1, usize::from);
        let slots = slots.map_or_else(cores, |slots| usize::try_from(slots).unwrap_or(max));
        Self { blocking: 2, later: slots.clamp(1, max) + 2 + CONNECTIONS }
    }
}

/// Starts a runtime with all these threads, and checks that the system also gives those that are
/// started later.
///
/// A runtime that gets fewer threads than it counts on cannot be shut down: it waits for those that
/// never run. In that case this function ends the process.
pub(super) fn start(threads: Threads) -> Result<Runtime, Failure> {
    let workers = available_parallelism().map_or(1, usize::from);
    let (running, gate) = (Arc::new(AtomicUsize::new(0)), Gate::default());
    let runs = Arc::clone(&running);
    let mut builder = Builder::new_multi_thread();
    builder.enable_all().worker_threads(workers).max_blocking_threads(threads.blocking).thread_keep_alive(KEEP_ALIVE);
    builder.on_thread_start(move || _ = runs.fetch_add(1, Ordering::SeqCst));
    let hook = take_hook();
    // The runtime panics when it gets no thread, and would hang in unwinding. No other code runs
    // yet that could panic.
    set_hook(Box::new(|_| exit_without_threads()));
    let cannot = |error| Failure::unfinished(format!("cannot start: {error}"));
    let runtime = builder.build().map_err(cannot)?;
    for _ in 0..threads.blocking {
        let gate = gate.clone();
        runtime.spawn_blocking(move || gate.pass());
    }
    set_hook(hook);
    let began = Instant::now();
    // Calls that wait at the gate at the same time have a thread each.
    while !gate.gathers(threads.blocking, LOOK) || running.load(Ordering::SeqCst) < workers + threads.blocking {
        // Starting one more thread shows whether the others are slow or refused by the system.
        if can_start(1).is_err() || began.elapsed() > PATIENCE {
            exit_without_threads();
        }
    }
    gate.open();
    can_start(threads.later).map_err(Failure::unfinished)?;
    Ok(runtime)
}

fn exit_without_threads() -> ! {
    let untold = || NoThread::because("fewer were started than this command needs");
    // The system's own reason, if it still refuses a thread.
    term::complain(&can_start(1).err().unwrap_or_else(untold).to_string());
    exit(i32::from(Exit::Unfinished.code()))
}

/// A runtime on this thread alone, for commands that need no other thread.
pub(super) fn start_alone() -> Result<Runtime, Failure> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Failure::unfinished(format!("cannot start: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_run_before_the_work_begins() {
        let threads = Threads { blocking: 3, later: 0 };
        let runtime = start(threads).expect("it starts");
        assert_eq!(runtime.metrics().num_workers(), available_parallelism().map_or(1, usize::from));
        // Calls that block at the same time have a thread each, and more calls wait for one of
        // them.
        let gate = Gate::default();
        for _ in 0..4 {
            let gate = gate.clone();
            runtime.spawn_blocking(move || gate.pass());
        }
        assert!(gate.gathers(3, PATIENCE) && !gate.gathers(4, Duration::from_millis(50)));
        gate.open();
        assert!(gate.gathers(4, PATIENCE));
    }

    #[test]
    fn who_works_on_many_tasks_has_a_thread_for_each_up_to_a_limit() {
        let for_tasks = |slots| Threads::working(slots).later - Threads::ASKING.later;
        assert_eq!(for_tasks(Some(7)), 7);
        assert_eq!(for_tasks(Some(0)), 1);
        assert_eq!(for_tasks(Some(u32::MAX)), 512);
        assert!(for_tasks(None) > 0);
    }
}
