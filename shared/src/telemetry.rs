//! Logs: on stderr, as text or as JSON Lines. Results never go here.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging for this process. `level` (such as `info`) holds unless `PACKHORSE_LOG` gives
/// filter directives of its own; starting twice keeps the first.
pub fn init(level: &str, json: bool) {
    let filter =
        EnvFilter::try_from_env("PACKHORSE_LOG").unwrap_or_else(|_| EnvFilter::new(format!("{level},lapin=off")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = if json { builder.json().try_init() } else { builder.with_target(false).compact().try_init() };
    if started.is_err() {
        tracing::debug!("logging had been started before");
    }
}
