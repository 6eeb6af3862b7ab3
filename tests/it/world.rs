//! A small world for one test: a directory, and the real commands as processes in it.
//!
//! A process is killed when its value is dropped. Whatever waits has a deadline, and says what it
//! waited for and what the process said until then.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than anything here takes on a busy machine; a test that reaches it has failed.
pub const LIMIT: Duration = Duration::from_secs(90);

/// The commands under test.
pub const PACKHORSE: &str = env!("CARGO_BIN_EXE_packhorse");
pub const PRODUCER: &str = env!("CARGO_BIN_EXE_producer");
pub const CONSUMER: &str = env!("CARGO_BIN_EXE_consumer");
pub const REDUCER: &str = env!("CARGO_BIN_EXE_reducer");

/// A directory of one's own, gone with the test.
pub struct World {
    directory: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("packhorse-it-").tempdir().expect("a directory");
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).expect("it is ours");
        for name in ["work", "tmp", "home"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        let open = PermissionsExt::from_mode(0o777);
        fs::set_permissions(directory.path().join("tmp"), open).expect("it is ours");
        Self { directory }
    }

    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.directory.path().join("work").join(name.as_ref())
    }

    /// Writes a file, and makes its directories.
    pub fn file(&self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is beneath the world")).expect("its directory");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        path
    }

    /// A file of this size without content on the disk: reading it takes long.
    pub fn sparse(&self, name: &str, bytes: u64) -> PathBuf {
        let path = self.file(name, "");
        fs::File::options().write(true).open(&path).and_then(|file| file.set_len(bytes)).expect("a sparse file");
        path
    }

    /// `count` small files in directories of 100, each with content of its own.
    pub fn tree(&self, name: &str, count: usize) -> PathBuf {
        for number in 0..count {
            self.file(format!("{name}/{:03}/{number:05}", number / 100), number.to_string());
        }
        self.path(name)
    }

    /// A command in this directory. Nothing of the environment tells it of a broker, and what it
    /// keeps or leaves behind stays here.
    pub fn command<A: AsRef<OsStr>>(&self, program: &str, args: impl IntoIterator<Item = A>) -> Run {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.path("")).stdin(Stdio::null());
        for name in ["PACKHORSE_BROKER", "AMQP_URL", "RABBITMQ_URL", "CLOUDAMQP_URL"] {
            command.env_remove(name).env_remove(format!("{name}_FILE"));
        }
        for name in ["PACKHORSE_TLS_CA", "PACKHORSE_TLS_CERT", "PACKHORSE_TLS_KEY", "PACKHORSE_KEY_FILE"] {
            command.env_remove(name);
        }
        command.env_remove("PACKHORSE_LOG").env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        let beside = |name: &str| self.directory.path().join(name);
        command.env("TMPDIR", beside("tmp")).env("HOME", beside("home")).env_remove("XDG_STATE_HOME");
        Run { command }
    }

    /// `packhorse` with these arguments, run to its end.
    pub fn packhorse<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Done {
        self.command(PACKHORSE, args).done()
    }

    /// What `find | sort | sha1sum` prints for these paths.
    pub fn sha1sum(&self, paths: &[&str]) -> Vec<u8> {
        let script = r#"find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0r sha1sum"#;
        let done = self.command("sh", ["-c", script, "sh"].iter().chain(paths)).done();
        assert_eq!((done.code, done.err.as_str()), (0, ""));
        done.out
    }

    /// One line of output of a query in the `sqlite3` shell, columns separated by `|`.
    pub fn sql(&self, store: &str, query: &str) -> String {
        let done = self.command("sqlite3", [store, query]).done();
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{query}");
        String::from_utf8(done.out).expect("UTF-8").trim_end().to_owned()
    }

    /// What lies where temporary files go.
    pub fn temporary(&self) -> Vec<String> {
        self.names("../tmp")
    }

    /// Names in a directory, sorted.
    pub fn names(&self, directory: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(directory)).expect("it can be listed");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// A command that does not run yet.
pub struct Run {
    command: Command,
}

impl Run {
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
            let (out, err) = (String::from_utf8_lossy(&said.out), String::from_utf8_lossy(&said.err));
            let over = said.closed == 2 && what != END;
            if left.is_zero() || over {
                drop((out, err));
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

/// Looks again and again until there is something to see. For what does not tell when it changes.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + LIMIT;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < give_up, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Counts of a job, as a status or a receipt gives them.
pub fn counts<const N: usize>(status: &Value, names: [&str; N]) -> [u64; N] {
    names.map(|name| status["counts"][name].as_u64().unwrap_or(0))
}

/// The processes that have this file open, or one beneath this directory.
pub fn holders(path: &Path) -> Vec<u32> {
    let path = fs::canonicalize(path).expect("it is there");
    let holds = |process: &fs::DirEntry| {
        let Ok(open) = fs::read_dir(process.path().join("fd")) else { return false };
        open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.starts_with(&path)))
    };
    let processes = fs::read_dir("/proc").expect("a list of processes").flatten();
    let held = processes.filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok()).filter(holds);
    held.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok()).collect()
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

/// Bytes as a name.
pub fn os(name: &[u8]) -> OsString {
    OsStr::from_bytes(name).to_owned()
}

/// Fails with the first line that differs rather than with both texts.
#[track_caller]
pub fn assert_same(found: &[u8], wanted: &[u8]) {
    if found != wanted {
        let (found, wanted): (Vec<_>, Vec<_>) =
            (found.split(|&b| b == b'\n').collect(), wanted.split(|&b| b == b'\n').collect());
        let at = found.iter().zip(&wanted).position(|(a, b)| a != b).unwrap_or(found.len().min(wanted.len()));
        let show = |lines: &[&[u8]]| lines.get(at).map(|line| String::from_utf8_lossy(line).into_owned());
        panic!("{} lines for {}; line {at}: {:?}, wanted {:?}", found.len(), wanted.len(), show(&found), show(&wanted));
    }
}
