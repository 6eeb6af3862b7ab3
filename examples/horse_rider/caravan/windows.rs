//! Roles as processes, each in a window of one tmux session on a server of its own.
//!
//! Whoever watches may look at every window and type into it. A window stays when its process has
//! ended, so that its last words can be read. The session ends with the value.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use shared::system::environment;

/// Between two looks at the windows.
pub const LOOKS: Duration = Duration::from_millis(100);

/// Looks at a window that is dead before that is put down to a signal: three seconds.
const LOOKS_FOR_A_STATUS: u32 = 30;

/// How long interrupted processes have to end by themselves: longer than a role takes at most.
const GOODBYE: Duration = Duration::from_secs(10);

const SESSION: &str = "caravan";

/// The windows cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WindowsError {
    /// There is no tmux.
    #[error("--windows needs tmux, which is not installed; on Debian: apt-get install tmux")]
    Missing,
    /// It cannot be run.
    #[error("tmux cannot be run: {0}")]
    Run(io::Error),
    /// It does not do what it is asked for.
    #[error("tmux {action}: {complaint}")]
    Tmux {
        /// What it was asked for.
        action: String,
        /// What it says.
        complaint: String,
    },
}

/// One process in one window.
#[derive(Debug, Clone)]
pub struct Window {
    /// Its name, as tmux shows it.
    pub name: String,
    /// What is run.
    pub arguments: Vec<OsString>,
}

/// How a process has ended: its exit code, or `None` after a signal.
pub type Ended = Option<i32>;

/// A session with its windows.
#[derive(Debug)]
pub struct Session {
    server: String,
}

impl Session {
    /// Opens the windows, each running `program`. The processes get this process's environment and
    /// `environment`, which no command line shows.
    pub fn open(program: &Path, windows: &[Window], environment: &[(&str, OsString)]) -> Result<Self, WindowsError> {
        let session = Self { server: format!("packhorse-{}", std::process::id()) };
        let options = ["remain-on-exit on", "allow-rename off", "history-limit 10000"];
        let mut opening = vec!["-f", "/dev/null", "start-server"];
        for option in &options {
            opening.extend([";", "set-option", "-g"]);
            opening.extend(option.split(' '));
        }
        opening.push(";");
        for (number, window) in windows.iter().enumerate() {
            let mut command = session.command();
            if number == 0 {
                // The server keeps the environment of the client that starts it.
                command.envs(environment.iter().map(|(name, value)| (name, value)));
                command.args(&opening).args(["new-session", "-d", "-x", "132", "-y", "43", "-s", SESSION]);
            } else {
                command.args(["new-window", "-d", "-t", &format!("{SESSION}:")]);
            }
            command.args(["-n", &window.name]).arg(program).args(&window.arguments);
            finish(command, "new-window")?;
        }
        Ok(session)
    }

    /// How to look at the windows from another terminal.
    pub fn how_to_watch(&self) -> String {
        format!("tmux -L {} attach", self.server)
    }

    /// What takes the session down from outside, when the process exits at once.
    pub fn undertaker(&self) -> impl FnOnce() + Send + 'static {
        let mut kill = self.command();
        kill.args(["kill-server"]).stdout(Stdio::null()).stderr(Stdio::null());
        move || {
            // It may be down already.
            let _ = kill.status();
        }
    }

    /// Shows the session on this terminal, if there is one that does not show another session.
    pub fn attach(&self, window: &str) -> Result<Option<Child>, WindowsError> {
        self.tmux(["select-window", "-t", &target(window)])?;
        let is_within_tmux = environment::path("TMUX").is_some();
        let is_free = io::stdin().is_terminal() && io::stdout().is_terminal() && !is_within_tmux;
        if !is_free {
            return Ok(None);
        }
        self.command().args(["attach-session", "-t", SESSION]).spawn().map(Some).map_err(cannot_run)
    }

    /// The windows whose process has ended, by name.
    pub fn ended(&self) -> Result<BTreeMap<String, Ended>, WindowsError> {
        let format = "#{pane_dead} #{pane_dead_status} #{pane_dead_signal} #{window_name}";
        let mut looks = 0;
        loop {
            let table = self.tmux(["list-panes", "-s", "-t", SESSION, "-F", format])?;
            let dead: Vec<_> = table.lines().filter_map(parse_dead).collect();
            // A terminal may close before it is known how its process ended; the end of any other
            // process makes tmux look again. Before 3.3 it never tells of a signal.
            if looks == LOOKS_FOR_A_STATUS || dead.iter().all(|(_, ended)| *ended != Dead::Unknown) {
                let ended = |dead| if let Dead::Code(code) = dead { Some(code) } else { None };
                return Ok(dead.into_iter().map(|(name, dead)| (name, ended(dead))).collect());
            }
            looks += 1;
            self.tmux(["run-shell", "true"])?;
            std::thread::sleep(LOOKS);
        }
    }

    /// The last words in a window.
    pub fn last_words(&self, window: &str) -> Result<String, WindowsError> {
        let text = self.tmux(["capture-pane", "-p", "-J", "-t", &target(window)])?;
        let is_said = |line: &&str| !line.trim().is_empty() && !line.starts_with("Pane is dead");
        Ok(text.lines().rfind(is_said).unwrap_or_default().trim_end().to_owned())
    }

    /// Interrupts these processes as Ctrl-C does, and waits until they have ended.
    pub fn interrupt(&self, windows: &[String]) -> Result<(), WindowsError> {
        for window in windows {
            self.tmux(["send-keys", "-t", &target(window), "C-c"])?;
        }
        let give_up = Instant::now() + GOODBYE;
        while Instant::now() < give_up {
            let ended = self.ended()?;
            if windows.iter().all(|window| ended.contains_key(window)) {
                break;
            }
            std::thread::sleep(LOOKS);
        }
        Ok(())
    }

    fn tmux<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String, WindowsError> {
        let mut command = self.command();
        command.args(arguments);
        let action = command.get_args().nth(2).unwrap_or_default().to_string_lossy().into_owned();
        finish(command, &action)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.server]).env_remove("TMUX");
        command
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.undertaker()();
    }
}

fn finish(mut command: Command, action: &str) -> Result<String, WindowsError> {
    let output = command.stdin(Stdio::null()).output().map_err(cannot_run)?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(WindowsError::Tmux { action: action.to_owned(), complaint });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn cannot_run(error: io::Error) -> WindowsError {
    match error.kind() {
        io::ErrorKind::NotFound => WindowsError::Missing,
        _ => WindowsError::Run(error),
    }
}

fn target(window: &str) -> String {
    format!("{SESSION}:={window}")
}

/// How a dead window's process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dead {
    Code(i32),
    Signal,
    Unknown,
}

/// `1 0  rider 0` of a window whose process has ended well; nothing of one that runs.
fn parse_dead(line: &str) -> Option<(String, Dead)> {
    let mut fields = line.splitn(4, ' ');
    let mut next = || fields.next();
    let (dead, code, signal, name) = (next()?, next()?, next()?, next()?);
    let how = match (code.parse(), signal.is_empty()) {
        (Ok(code), _) => Dead::Code(code),
        (Err(_), false) => Dead::Signal,
        (Err(_), true) => Dead::Unknown,
    };
    (dead == "1").then(|| (name.to_owned(), how))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_a_signal_and_a_process_that_runs_are_told_apart() {
        assert_eq!(parse_dead("1 3  rider 0"), Some(("rider 0".to_owned(), Dead::Code(3))));
        assert_eq!(parse_dead("1  9 horse 12"), Some(("horse 12".to_owned(), Dead::Signal)));
        assert_eq!(parse_dead("1   horse 12"), Some(("horse 12".to_owned(), Dead::Unknown)));
        assert_eq!(parse_dead("0   reducer"), None);
    }
}
