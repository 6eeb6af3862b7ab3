//! A terminal of one's own, by tmux: a test presses its keys and reads its screen.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::world::{BROKER_VARIABLES, LIMIT};

const WINDOW: &str = "main";

/// A tmux server with one window. Gone with its test.
pub struct Terminal {
    home: TempDir,
}

impl Terminal {
    /// Runs a shell script, in which `$0` is `program`. Nothing of the environment tells it of a
    /// broker or of tmux.
    pub fn run(program: &Path, script: &str) -> Self {
        let terminal = Self { home: TempDir::new().expect("a directory") };
        let mut command = terminal.command();
        for name in BROKER_VARIABLES {
            command.env_remove(name);
        }
        // The shell outlives Ctrl-C, and stays so that its last words can be read.
        let script = format!("unset TMUX; trap : INT; {script}; echo over; sleep 600");
        command.args(["new-session", "-d", "-x", "120", "-y", "30", "-n", WINDOW, "sh", "-c", &script]).arg(program);
        assert!(command.status().expect("tmux runs").success(), "tmux opens a session");
        terminal
    }

    pub fn press(&self, keys: &[&str]) {
        let status = self.command().args(["send-keys", "-t", WINDOW]).args(keys).status();
        assert!(status.expect("tmux runs").success(), "tmux presses {keys:?}");
    }

    pub fn screen(&self) -> String {
        let output = self.command().args(["capture-pane", "-p", "-J", "-t", WINDOW]).output().expect("tmux runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits until the screen shows `text`; all of the screen then.
    pub fn shows(&self, text: &str) -> String {
        let give_up = Instant::now() + LIMIT;
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(Instant::now() < give_up, "the terminal does not show {text:?}: {screen}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Where servers that are started in this terminal have their sockets.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    fn command(&self) -> Command {
        tmux(self.home.path(), "terminal")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command().arg("kill-server").status();
    }
}

/// A command for one server among those whose sockets are in `home`.
pub fn tmux(home: impl AsRef<OsStr>, server: &str) -> Command {
    let mut command = Command::new("tmux");
    command.args(["-L", server, "-f", "/dev/null"]).env("TMUX_TMPDIR", home).env_remove("TMUX").stdin(Stdio::null());
    command
}
