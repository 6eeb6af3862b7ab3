//! A role's heartbeats in a small file, for programs that watch the process from outside.
//!
//! A heartbeat is written only after the role's own loop has turned and the broker has answered on
//! the role's own connections, where each subscription has its consumer. So no heartbeat means: the
//! role hangs, is cut off, is not connected yet, or is gone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use shared::system::environment;
use shared::transport::Transport;

use super::Failure;

/// The environment variable that names the file.
pub const VARIABLE: &str = "PACKHORSE_HEALTH_FILE";

/// Milliseconds that a heartbeat may lie in the future: two readings of a clock may differ by that
/// much. More means that the clock was set back.
const FUTURE_MILLIS: u64 = 1_000;

#[derive(Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// `consumer` or `reducer`.
    pub role: String,
    pub process: u32,
    /// Milliseconds since 1970.
    written_millis: u64,
    /// The role's heartbeat interval, milliseconds.
    heartbeat_millis: u64,
}

impl Heartbeat {
    /// Seconds since the heartbeat was written.
    pub fn age(&self) -> u64 {
        millis(now()).saturating_sub(self.written_millis) / 1_000
    }
}

pub struct HeartbeatFile {
    path: PathBuf,
    role: &'static str,
    interval: Duration,
}

impl HeartbeatFile {
    /// The file that the environment names, if it names one. Removes the heartbeat of an earlier
    /// process.
    pub fn from_env(role: &'static str, interval: Duration) -> Result<Option<Self>, Failure> {
        let Some(path) = environment::path(VARIABLE) else { return Ok(None) };
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::usage(format!("cannot write {} (named by {VARIABLE}): {error}", path.display())))
            }
            _ => Ok(Some(Self { path, role, interval })),
        }
    }

    fn write(&self) -> std::io::Result<()> {
        let heartbeat = Heartbeat {
            role: self.role.to_owned(),
            process: std::process::id(),
            written_millis: millis(now()),
            heartbeat_millis: millis(self.interval),
        };
        let whole = self.path.with_extension(format!("{}.tmp", heartbeat.process));
        std::fs::write(&whole, serde_json::to_vec(&heartbeat)?)?;
        std::fs::rename(&whole, &self.path)
    }
}

/// Writes a heartbeat after each `turn` of the role's loop, while the role is consuming. It never
/// returns; without a file it only waits.
pub async fn keep_writing<T: Future<Output = ()>>(
    file: Option<HeartbeatFile>,
    transport: &Arc<dyn Transport>,
    turn: impl Fn() -> T,
) {
    let Some(file) = file else { return std::future::pending().await };
    loop {
        turn().await;
        if transport.is_polling().await
            && let Err(error) = file.write()
        {
            tracing::warn!(%error, file = %file.path.display(), "A heartbeat cannot be written.");
        }
    }
}

/// The last heartbeat in `file`, if it is at most this many heartbeat intervals old and its process
/// is there; otherwise what is wrong.
pub fn check(file: &Path, intervals: u64) -> Result<Heartbeat, String> {
    let shown = file.display();
    let text = std::fs::read(file).map_err(|error| format!("no heartbeat in {shown}: {error}"))?;
    let heartbeat: Heartbeat =
        serde_json::from_slice(&text).map_err(|error| format!("{shown} is not a heartbeat file: {error}"))?;
    let Heartbeat { role, process, .. } = &heartbeat;
    if !exists(*process) {
        return Err(format!("the {role}, process {process}, is gone"));
    }
    let now = millis(now());
    if heartbeat.written_millis > now + FUTURE_MILLIS {
        return Err(format!("the last heartbeat in {shown} is from the future: the clock was set back"));
    }
    let age = now.saturating_sub(heartbeat.written_millis);
    if age > heartbeat.heartbeat_millis.saturating_mul(intervals) {
        let age = age / 1_000;
        return Err(format!(
            "the {role}, process {process}, wrote no heartbeat for {age} s: it hangs, or has no connection to the \
             broker"
        ));
    }
    Ok(heartbeat)
}

/// A process of another user is there as well, and may not be sent a signal.
fn exists(process: u32) -> bool {
    let number = i32::try_from(process).ok().and_then(Pid::from_raw);
    number.is_some_and(|number| !matches!(test_kill_process(number), Err(Errno::SRCH)))
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

    fn heartbeat(millis_ago: i64) -> Heartbeat {
        let written_millis = millis(now()).checked_add_signed(-millis_ago).expect("after 1970");
        Heartbeat { role: "consumer".to_owned(), process: std::process::id(), written_millis, heartbeat_millis: 10_000 }
    }

    fn checked(heartbeat: &Heartbeat, heartbeats: u64) -> Result<Heartbeat, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), serde_json::to_vec(heartbeat).expect("JSON")).expect("written");
        check(file.path(), heartbeats)
    }

    #[test]
    fn a_heartbeat_makes_ready_for_two_heartbeats_and_healthy_for_three() {
        assert!(checked(&heartbeat(19_000), 2).is_ok());
        assert!(checked(&heartbeat(20_001), 2).is_err());
        assert!(checked(&heartbeat(29_000), 3).is_ok());
        assert!(checked(&heartbeat(30_001), 3).is_err());
        let future = checked(&heartbeat(-60_000), 3).expect_err("the clock was set back");
        assert!(future.contains("from the future"), "{future}");
    }

    #[tokio::test]
    async fn a_loop_that_does_not_turn_any_more_writes_no_heartbeat() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("health");
        let written = HeartbeatFile { path: file.clone(), role: "consumer", interval: HEARTBEAT };
        let transport: Arc<dyn Transport> = Arc::new(Embedded::new());
        let turns = AtomicUsize::new(0);
        let turn = || async {
            // Each turn but the first removes the heartbeat of the one before; the third is stuck.
            let turn = turns.fetch_add(1, Ordering::SeqCst);
            if turn > 0 {
                check(&file, 2).expect("the turn before has written a heartbeat");
                std::fs::remove_file(&file).expect("it is there");
            }
            if turn == 2 {
                std::future::pending().await
            }
        };
        let all = keep_writing(Some(written), &transport, turn);
        assert!(tokio::time::timeout(Duration::from_millis(200), all).await.is_err());
        assert_eq!(turns.load(Ordering::SeqCst), 3);
        assert!(check(&file, 2).is_err(), "the third turn has not ended");
    }
}
