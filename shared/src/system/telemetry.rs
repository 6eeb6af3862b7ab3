//! Logs: on stderr, as text or as JSON Lines. Results and secrets are never logged.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::system::environment::{self, NotText};

/// The client library's crates. Their detailed logs show whole frames, and one of the first frames
/// holds the password. So no filter that a user sets enables them.
const CLIENT_LIBRARY: [&str; 4] = ["lapin", "amq_protocol", "tcp_stream", "async_rs"];

/// Environment variable with filter directives.
const FILTER: &str = "PACKHORSE_LOG";

/// Starts logging for this process. `level` (such as `info`) applies unless `PACKHORSE_LOG` sets
/// other filter directives; invalid directives are reported in the log. If logging was started
/// before, the first start stays in effect.
///
/// # Errors
/// `PACKHORSE_LOG` is not UTF-8.
pub fn init(level: &str, json: bool) -> Result<(), NotText> {
    let given = environment::text(FILTER)?;
    let filter = given.as_deref().map_or(Ok(None), targets);
    let targets = match &filter {
        Ok(Some(targets)) => targets.clone(),
        _ => Targets::new()
            .with_default(level.parse::<LevelFilter>().unwrap_or(LevelFilter::INFO))
            .with_target("lapin", LevelFilter::OFF),
    };
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let is_first = if json {
        start(lines.json().with_filter(targets))
    } else {
        start(lines.with_target(false).compact().with_filter(targets))
    };
    if !is_first {
        tracing::debug!("logging had been started before");
    }
    if let Err(error) = filter {
        tracing::error!("{FILTER} cannot be read: {error}; logging at level {level}");
    }
    Ok(())
}

/// Parses filter directives; `None` if there are none. A word alone must be a level; otherwise a
/// misspelt level would count as the name of a target, and nothing would be logged.
fn targets(text: &str) -> Result<Option<Targets>, String> {
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let mut found: Option<Targets> = None;
    for word in words {
        let (target, level) = word.rsplit_once('=').map_or((None, word), |(target, level)| (Some(target), level));
        let is_name = |target: &str| target.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':'));
        let level = level.parse::<LevelFilter>().ok().filter(|_| !level.is_empty());
        let targets = found.unwrap_or_default();
        found = Some(match (target, level) {
            (None, Some(level)) => targets.with_default(level),
            (Some(target), Some(level)) if !target.is_empty() && is_name(target) => targets.with_target(target, level),
            _ => {
                let levels = "off, error, warn, info, debug, trace";
                return Err(format!("{word:?} is neither a level ({levels}) nor TARGET=LEVEL"));
            }
        });
    }
    Ok(found)
}

fn start(lines: impl Layer<Registry> + Send + Sync) -> bool {
    tracing_subscriber::registry().with(lines).with(filter_fn(has_no_secrets)).try_init().is_ok()
}

fn has_no_secrets(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !CLIENT_LIBRARY.iter().any(|name| metadata.target().starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_and_targets_and_a_misspelt_level_is_no_target() {
        let is_on = |text: &str, target: &str, level: &Level| {
            targets(text).expect(text).is_some_and(|targets| targets.would_enable(target, level))
        };
        for text in ["debug", " DEBUG ", "info, reducer=debug", "reducer=debug,off", ",info,,reducer=debug "] {
            assert!(is_on(text, "reducer::service", &Level::DEBUG), "{text}");
            assert!(!is_on(text, "reducer", &Level::TRACE), "{text}");
        }
        assert!(!is_on("info,lapin=off", "lapin", &Level::ERROR) && is_on("info,lapin=off", "shared", &Level::INFO));
        for none in ["", " ", ",", " , "] {
            assert!(targets(none).expect(none).is_none(), "{none:?}");
        }
        for bad in ["debgu", "packhorse=loud", "=info", "info,reducer", "info=", "[span]=debug", "a b=info"] {
            assert!(targets(bad).is_err(), "{bad}");
        }
    }
}
