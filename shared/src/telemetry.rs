//! Logs: on stderr, as text or as JSON Lines. Results never go here, and secrets never either.

use std::io::IsTerminal;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// The client library's crates. Their details are whole frames, and one of the first holds the
/// password: no filter that a user sets lets these through.
const CLIENT_LIBRARY: [&str; 4] = ["lapin", "amq_protocol", "tcp_stream", "async_rs"];

/// Starts logging for this process. `level` (such as `info`) holds unless `PACKHORSE_LOG` gives
/// filter directives of its own; starting twice keeps the first.
pub fn init(level: &str, json: bool) {
    let filter =
        EnvFilter::try_from_env("PACKHORSE_LOG").unwrap_or_else(|_| EnvFilter::new(format!("{level},lapin=off")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let is_first =
        if json { start(builder.json().finish()) } else { start(builder.with_target(false).compact().finish()) };
    if !is_first {
        tracing::debug!("logging had been started before");
    }
}

fn start(subscriber: impl Subscriber + Send + Sync + for<'a> LookupSpan<'a>) -> bool {
    subscriber.with(filter_fn(has_no_secrets)).try_init().is_ok()
}

fn has_no_secrets(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !CLIENT_LIBRARY.iter().any(|name| metadata.target().starts_with(name))
}
