//! Commands as processes: started, watched, signalled, and gone with their test.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use serde_json::Value;

use super::{LIMIT, eventually};

/// A command that does not run yet.
pub struct Run {
    command: Command,
}

impl Run {
    pub(super) fn new(command: Command) -> Self {
        Self { command }
    }

    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn start(mut self) -> Process {
        let name = format!("{:?}", self.command.get_args().map(OsStr::to_string_lossy).collect::<Vec<_>>());
        let mut child = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let said = Arc::new((Mutex::new(Said::default()), Condvar::new()));
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        listen(out, Arc::clone(&said), |said| &mut said.out);
        listen(err, Arc::clone(&said), |said| &mut said.err);
        Process { child, name, said }
    }

    /// Runs it to its end.
    pub fn done(self) -> Done {
        self.start().wait()
    }
}

/// What a process has said so far.
#[derive(Default)]
struct Said {
    out: Vec<u8>,
    err: Vec<u8>,
    closed: usize,
}

fn listen(
    mut pipe: impl Read + Send + 'static,
    said: Arc<(Mutex<Said>, Condvar)>,
    which: fn(&mut Said) -> &mut Vec<u8>,
) {
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = pipe.read(&mut buffer).unwrap_or(0);
            let mut heard = said.0.lock().expect("no panic under this lock");
            which(&mut heard).extend_from_slice(&buffer[..count]);
            heard.closed += usize::from(count == 0);
            said.1.notify_all();
            if count == 0 {
                return;
            }
        }
    });
}

/// A running command, killed when dropped.
pub struct Process {
    child: Child,
    name: String,
    said: Arc<(Mutex<Said>, Condvar)>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Done {
    /// Its exit code; 128 and more for a signal.
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Process {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        signalled(name, self.id()).unwrap_or_else(|error| panic!("{} is gone: {error}", self.name));
    }

    fn until<T>(&self, what: &str, mut check: impl FnMut(&Said) -> Option<T>) -> T {
        let give_up = Instant::now() + LIMIT;
        let mut said = self.said.0.lock().expect("no panic under this lock");
        loop {
            if let Some(value) = check(&said) {
                return value;
            }
            let left = give_up.saturating_duration_since(Instant::now());
            let over = said.closed == 2 && what != END;
            if left.is_zero() || over {
                let text = format!("{}{}", String::from_utf8_lossy(&said.err), String::from_utf8_lossy(&said.out));
                drop(said);
                panic!("{}: no {what}; it said: {}", self.name, text.chars().take(4_000).collect::<String>());
            }
            said = self.said.1.wait_timeout(said, left).expect("no panic under this lock").0;
        }
    }

    /// Waits until it has said this on stderr.
    pub fn says(&self, text: &str) -> String {
        self.until(text, |said| {
            let err = String::from_utf8_lossy(&said.err);
            err.contains(text).then(|| err.into_owned())
        })
    }

    /// Waits for its first line on stdout.
    pub fn first_line(&self) -> String {
        self.until("first line", |said| {
            let end = said.out.iter().position(|&byte| byte == b'\n')?;
            Some(String::from_utf8_lossy(&said.out[..end]).into_owned())
        })
    }

    /// Whether it has a file open whose path ends like this.
    pub fn has_open(&self, path: impl AsRef<Path>) -> bool {
        !self.descriptors(path.as_ref()).is_empty()
    }

    /// Waits until it has `path` open.
    pub fn opens(&self, path: &Path) {
        eventually(&format!("{} opens {}", self.name, path.display()), || self.has_open(path).then_some(()));
    }

    /// Waits until it has read something of `path`.
    pub fn reads(&self, path: &Path) {
        let is_begun = |descriptor: String| {
            let about = fs::read_to_string(format!("/proc/{}/fdinfo/{descriptor}", self.id())).ok()?;
            about.lines().any(|line| line.starts_with("pos:") && !line.ends_with("\t0")).then_some(())
        };
        eventually(&format!("{} reads {}", self.name, path.display()), || {
            self.descriptors(path).into_iter().find_map(is_begun)
        });
    }

    /// The descriptors under which it has such a file open.
    fn descriptors(&self, path: &Path) -> Vec<String> {
        let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let entries = fs::read_dir(format!("/proc/{}/fd", self.id()));
        let entries = entries.unwrap_or_else(|error| panic!("{} has ended: {error}", self.name)).flatten();
        let held = entries.filter(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.ends_with(path)));
        held.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Done {
        use std::os::unix::process::ExitStatusExt;
        self.until(END, |said| (said.closed == 2).then_some(()));
        let status = self.child.wait().expect("it is ours");
        let said = std::mem::take(&mut *self.said.0.lock().expect("no panic under this lock"));
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Done { code, out: said.out, err: String::from_utf8_lossy(&said.err).into_owned() }
    }

    /// SIGKILL, without waiting for its end.
    pub fn strike(&mut self) {
        self.child.kill().expect("it is ours");
    }

    /// What it has said until now on stderr.
    pub fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.said.0.lock().expect("no panic under this lock").err).into_owned()
    }

    /// SIGTERM, then its end.
    pub fn stop(self) -> Done {
        self.signal("TERM");
        self.wait()
    }

    /// SIGKILL, then its end.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it is ours");
    }
}

const END: &str = "end";

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Done {
    /// What it wrote to stdout.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// Each line of stdout as JSON.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        std::str::from_utf8(&self.out).expect("JSON is UTF-8").lines().map(parse).collect()
    }

    /// Asserts the exit code, with what was said if it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.err, String::from_utf8_lossy(&self.out));
        self
    }
}

/// Sends a signal, also to a process that is gone.
pub fn send(signal: &str, process: u32) {
    let _ = signalled(signal, process);
}

fn signalled(name: &str, process: u32) -> rustix::io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};

    let signal = match name {
        "ABRT" => Signal::ABORT,
        "CONT" => Signal::CONT,
        "INT" => Signal::INT,
        "KILL" => Signal::KILL,
        "SEGV" => Signal::SEGV,
        "STOP" => Signal::STOP,
        "TERM" => Signal::TERM,
        other => panic!("no test sends {other}"),
    };
    let process = i32::try_from(process).ok().and_then(Pid::from_raw).expect("the number of a process");
    kill_process(process, signal)
}
