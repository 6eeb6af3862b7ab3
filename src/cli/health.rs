//! A role's signs of life in a small file, and `packhorse health` and `packhorse ready`, which look at
//! them.
//!
//! A sign is left only after the role's own loop has turned, and the broker has answered on the role's
//! own connections, where each subscription has its consumer. So no sign means: hanging, cut off, not
//! connected yet, or gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use shared::system::environment;
use shared::transport::Transport;

use super::args::HealthArgs;
use super::{Exit, Failure, term};

/// For `--help`.
pub const HELP: &str = "\
A consumer or reducer with PACKHORSE_HEALTH_FILE=FILE leaves a sign of life in FILE at each heartbeat,
once its own loop has turned and the broker has answered on the connections where it consumes. Such
a sign keeps a role healthy for three heartbeats, and ready for two. So health is for those who start
a role again when it fails, and ready for those who wait for a role, or count on it.

Exit codes:
  0    a sign of life holds
  1    there is none, or it is too old: the role hangs, is cut off from the broker, or is gone
  2    the command line or the configuration is wrong";

/// Names the file.
const FILE: &str = "PACKHORSE_HEALTH_FILE";

/// Heartbeats for which a role is healthy after a sign: one may be late on a busy machine, and one may
/// be lost. Whoever starts it again for less makes things worse.
const HEALTHY: u64 = 3;

/// Heartbeats for which a role is ready after a sign: it has worked or polled within as many.
const READY: u64 = 2;

/// By how much a sign may come from the future: two looks at a clock may differ by so much. More is a
/// clock that was set back, and says nothing of now.
const FUTURE_MILLIS: u64 = 1_000;

/// What the file says.
#[derive(Debug, Serialize, Deserialize)]
struct Sign {
    role: String,
    process: u32,
    /// Since 1970.
    left_millis: u64,
    heartbeat_millis: u64,
}

/// Leaves signs of life.
pub struct Signs {
    file: PathBuf,
    role: &'static str,
    heartbeat: Duration,
}

impl Signs {
    /// If the environment asks for them. What an earlier process left is removed.
    pub fn from_env(role: &'static str, heartbeat: Duration) -> Result<Option<Self>, Failure> {
        let Some(file) = environment::path(FILE) else { return Ok(None) };
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::usage(format!("cannot write {} (named by {FILE}): {error}", file.display())))
            }
            _ => Ok(Some(Self { file, role, heartbeat })),
        }
    }

    fn leave(&self) -> std::io::Result<()> {
        let sign = Sign {
            role: self.role.to_owned(),
            process: std::process::id(),
            left_millis: millis(now()),
            heartbeat_millis: millis(self.heartbeat),
        };
        let whole = self.file.with_extension(format!("{}.tmp", sign.process));
        std::fs::write(&whole, serde_json::to_vec(&sign)?)?;
        std::fs::rename(&whole, &self.file)
    }
}

/// Leaves a sign after each `turn` of the role that finds it consuming. Ends never; without `signs` it
/// only waits.
pub async fn give_signs<T: Future<Output = ()>>(
    signs: Option<Signs>,
    transport: &Arc<dyn Transport>,
    turn: impl Fn() -> T,
) {
    let Some(signs) = signs else { return std::future::pending().await };
    loop {
        turn().await;
        if transport.is_polling().await
            && let Err(error) = signs.leave()
        {
            tracing::warn!(%error, file = %signs.file.display(), "A sign of life cannot be written.");
        }
    }
}

/// Runs `health`.
pub fn health(args: &HealthArgs) -> Result<Exit, Failure> {
    say("healthy", "unhealthy", &check(&file(args)?, HEALTHY))
}

/// Runs `ready`.
pub fn ready(args: &HealthArgs) -> Result<Exit, Failure> {
    say("ready", "not ready", &check(&file(args)?, READY))
}

fn file(args: &HealthArgs) -> Result<PathBuf, Failure> {
    let missing = || Failure::usage(format!("where is the sign of life? Give --file FILE, or set {FILE}"));
    args.file.clone().or_else(|| environment::path(FILE)).ok_or_else(missing)
}

fn say(well: &str, ill: &str, found: &Result<Sign, String>) -> Result<Exit, Failure> {
    match found {
        Ok(sign) => {
            let Sign { role, process, left_millis, .. } = sign;
            let ago = millis(now()).saturating_sub(*left_millis) / 1_000;
            term::print(format!("{well}: {role}, process {process}, {ago} s ago\n").as_bytes())?;
            Ok(Exit::Success)
        }
        Err(reason) => {
            term::print(format!("{ill}: {reason}\n").as_bytes())?;
            Ok(Exit::ItemsFailed)
        }
    }
}

fn check(file: &Path, heartbeats: u64) -> Result<Sign, String> {
    let text = std::fs::read(file).map_err(|error| format!("no sign of life in {}: {error}", file.display()))?;
    let sign: Sign =
        serde_json::from_slice(&text).map_err(|error| format!("{} holds no sign of life: {error}", file.display()))?;
    if !Path::new("/proc").join(sign.process.to_string()).exists() {
        return Err(format!("the {}, process {}, is gone", sign.role, sign.process));
    }
    let now = millis(now());
    if sign.left_millis > now + FUTURE_MILLIS {
        return Err(format!("the last sign of life in {} is from the future: the clock was set back", file.display()));
    }
    let age = now.saturating_sub(sign.left_millis);
    if age > sign.heartbeat_millis.saturating_mul(heartbeats) {
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use shared::transport::embedded::Embedded;

    use super::*;

    const HEARTBEAT: Duration = Duration::from_secs(10);

    fn sign(millis_ago: i64) -> Sign {
        let left_millis = millis(now()).checked_add_signed(-millis_ago).expect("after 1970");
        Sign { role: "consumer".to_owned(), process: std::process::id(), left_millis, heartbeat_millis: 10_000 }
    }

    fn checked(sign: &Sign, heartbeats: u64) -> Result<Sign, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), serde_json::to_vec(sign).expect("JSON")).expect("written");
        check(file.path(), heartbeats)
    }

    #[test]
    fn a_sign_makes_ready_for_two_heartbeats_and_healthy_for_three() {
        assert!(checked(&sign(19_000), READY).is_ok());
        assert!(checked(&sign(20_001), READY).is_err());
        assert!(checked(&sign(29_000), HEALTHY).is_ok());
        assert!(checked(&sign(30_001), HEALTHY).is_err());
        let future = checked(&sign(-60_000), HEALTHY).expect_err("the clock was set back");
        assert!(future.contains("from the future"), "{future}");
    }

    #[tokio::test]
    async fn a_loop_that_does_not_turn_any_more_leaves_no_sign() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("health");
        let signs = Signs { file: file.clone(), role: "consumer", heartbeat: HEARTBEAT };
        let transport: Arc<dyn Transport> = Arc::new(Embedded::new());
        let turns = AtomicUsize::new(0);
        let turn = || async {
            // Each turn but the first takes away the sign of the one before; the third is stuck.
            let turn = turns.fetch_add(1, Ordering::SeqCst);
            if turn > 0 {
                check(&file, READY).expect("the turn before has left a sign");
                std::fs::remove_file(&file).expect("it is there");
            }
            if turn == 2 {
                std::future::pending().await
            }
        };
        let all = give_signs(Some(signs), &transport, turn);
        assert!(tokio::time::timeout(Duration::from_millis(200), all).await.is_err());
        assert_eq!(turns.load(Ordering::SeqCst), 3);
        assert!(check(&file, READY).is_err(), "the third turn has not ended");
    }
}
