//! A role's signs of life in a small file, and `packhorse health`, which looks at them.
//!
//! A sign is left only after the role's own loop has turned and the broker has answered on the role's
//! own connection that the queue has a consumer. So no sign means: hanging, cut off, or gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use shared::transport::Transport;

use super::args::HealthArgs;
use super::{Exit, Failure, term};

/// For `--help`.
pub const HELP: &str = "\
A consumer or reducer with PACKHORSE_HEALTH_FILE=FILE leaves a sign of life in FILE at each heartbeat,
once its own loop has turned and the broker has answered that its queue has a consumer. A sign holds
for three heartbeats.

Exit codes:
  0    a sign of life holds
  1    there is none, or it is too old: the role hangs, is cut off from the broker, or is gone
  2    the command line or the configuration is wrong";

/// Heartbeats for which a sign holds: one may be late on a busy machine, and one may be lost.
const HOLDS: u32 = 3;

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Sign {
    role: String,
    process: u32,
    /// Since 1970.
    left_millis: u64,
    holds_millis: u64,
}

/// Leaves signs of life.
pub struct Signs {
    file: PathBuf,
    role: &'static str,
    holds: Duration,
}

impl Signs {
    /// If the environment asks for them. What an earlier process left is removed.
    pub fn from_env(role: &'static str, heartbeat: Duration) -> Result<Option<Self>, Failure> {
        let Some(file) = std::env::var_os("PACKHORSE_HEALTH_FILE").filter(|file| !file.is_empty()) else {
            return Ok(None);
        };
        let file = PathBuf::from(file);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::usage(format!(
                "cannot write {} (named by PACKHORSE_HEALTH_FILE): {error}",
                file.display()
            ))),
            _ => Ok(Some(Self { file, role, holds: heartbeat * HOLDS })),
        }
    }

    fn leave(&self) -> std::io::Result<()> {
        let sign = Sign {
            role: self.role.to_owned(),
            process: std::process::id(),
            left_millis: millis(now()),
            holds_millis: millis(self.holds),
        };
        let whole = self.file.with_extension(format!("{}.tmp", sign.process));
        std::fs::write(&whole, serde_json::to_vec(&sign)?)?;
        std::fs::rename(&whole, &self.file)
    }
}

/// Leaves a sign after each `turn` of the role in which the broker still knows a consumer of `queue`.
/// Ends never; without `signs` it only waits.
pub async fn give_signs<T>(signs: Option<Signs>, transport: &Arc<dyn Transport>, queue: &str, turn: impl Fn() -> T)
where
    T: Future<Output = ()>,
{
    let Some(signs) = signs else { return std::future::pending().await };
    loop {
        turn().await;
        let state = transport.queue(queue).await;
        if matches!(state, Ok(Some(state)) if state.consumers > 0)
            && let Err(error) = signs.leave()
        {
            tracing::warn!(%error, file = %signs.file.display(), "A sign of life cannot be written.");
        }
    }
}

/// Runs the command.
pub async fn run(args: HealthArgs) -> Result<Exit, Failure> {
    match check(&args.file) {
        Ok(sign) => {
            let Sign { role, process, left_millis, .. } = sign;
            let ago = millis(now()).saturating_sub(left_millis) / 1_000;
            term::print(format!("healthy: {role}, process {process}, {ago} s ago\n").as_bytes())?;
            Ok(Exit::Success)
        }
        Err(reason) => {
            term::print(format!("unhealthy: {reason}\n").as_bytes())?;
            Ok(Exit::ItemsFailed)
        }
    }
}

fn check(file: &Path) -> Result<Sign, String> {
    let text = std::fs::read(file).map_err(|error| format!("no sign of life in {}: {error}", file.display()))?;
    let sign: Sign =
        serde_json::from_slice(&text).map_err(|error| format!("{} holds no sign of life: {error}", file.display()))?;
    if !Path::new("/proc").join(sign.process.to_string()).exists() {
        return Err(format!("the {}, process {}, is gone", sign.role, sign.process));
    }
    let age = millis(now()).saturating_sub(sign.left_millis);
    if age > sign.holds_millis {
        return Err(format!(
            "the {}, process {}, gave no sign of life for {} s: it hangs, or has no connection to the broker",
            sign.role,
            sign.process,
            age / 1_000
        ));
    }
    Ok(sign)
}

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
