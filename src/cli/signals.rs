//! The two-step stop: the first SIGINT or SIGTERM asks, the second exits at once.

use std::sync::{Mutex, PoisonError};

use shared::system::shutdown::{Shutdown, Stopper, channel};
use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failure, term};

/// What must be restored even when the process exits at once.
static LAST_ACTS: Mutex<Vec<Box<dyn FnOnce() + Send>>> = Mutex::new(Vec::new());

/// Runs `act` when a second signal ends the process without unwinding it.
pub fn before_exit(act: impl FnOnce() + Send + 'static) {
    LAST_ACTS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(act));
}

/// Listens for signals from now on.
pub fn listen() -> Result<Shutdown, Failure> {
    let (stopper, shutdown) = channel();
    let failed = |error: std::io::Error| Failure::unfinished(format!("cannot listen for signals: {error}"));
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt()).map_err(failed)?, signal(SignalKind::terminate()).map_err(failed)?);
    tokio::spawn(async move {
        tokio::select! {
            biased;
            _ = interrupt.recv() => ask(&stopper),
            _ = terminate.recv() => ask(&stopper),
        }
        tokio::select! {
            biased;
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        for act in LAST_ACTS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            act();
        }
        reducer::scratch::sweep();
        std::process::exit(i32::from(Exit::Interrupted.code()));
    });
    Ok(shutdown)
}

fn ask(stopper: &Stopper) {
    term::complain("stopping; press Ctrl-C or send the signal again to exit at once");
    stopper.stop();
}
