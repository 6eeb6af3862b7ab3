//! Logs: on stderr, as text or as JSON Lines. Results never go here, and secrets never either.

use std::io::IsTerminal;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::system::environment::{self, NotText};

/// The client library's crates. Their details are whole frames, and one of the first holds the
/// password: no filter that a user sets lets these through.
const CLIENT_LIBRARY: [&str; 4] = ["lapin", "amq_protocol", "tcp_stream", "async_rs"];

/// The variable that sets what is logged.
const FILTER: &str = "PACKHORSE_LOG";

/// Starts logging for this process. `level` (such as `info`) holds unless `PACKHORSE_LOG` gives
/// filter directives of its own; directives that cannot be read are said so in the log. Starting twice keeps the
/// first.
///
/// # Errors
/// `PACKHORSE_LOG` is no text.
pub fn init(level: &str, json: bool) -> Result<(), NotText> {
    let given = environment::text(FILTER)?;
    let filter = given.as_deref().map(EnvFilter::try_new).transpose();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(match &filter {
            Ok(Some(filter)) => filter.clone(),
            _ => EnvFilter::new(format!("{level},lapin=off")),
        })
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let is_first =
        if json { start(builder.json().finish()) } else { start(builder.with_target(false).compact().finish()) };
    if !is_first {
        tracing::debug!("logging had been started before");
    }
    if let Err(error) = filter {
        tracing::error!("{FILTER} cannot be read ({error}); logging at level {level}");
    }
    Ok(())
}

fn start(subscriber: impl Subscriber + Send + Sync + for<'a> LookupSpan<'a>) -> bool {
    subscriber.with(filter_fn(has_no_secrets)).try_init().is_ok()
}

fn has_no_secrets(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !CLIENT_LIBRARY.iter().any(|name| metadata.target().starts_with(name))
}
