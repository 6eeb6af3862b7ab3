//! A small world for one test: a directory, and the real commands as processes in it.
//!
//! A process is killed when its value is dropped. Whatever waits has a deadline, and says what it
//! waited for and what the process said until then.

mod process;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use self::process::{Done, Process, Run, send};

/// Longer than anything here takes on a busy machine; a test that reaches it has failed.
pub const LIMIT: Duration = Duration::from_secs(90);

/// What tells a command of a broker.
pub const BROKER_VARIABLES: [&str; 4] = ["PACKHORSE_BROKER", "AMQP_URL", "RABBITMQ_URL", "CLOUDAMQP_URL"];

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
    pub fn command<A: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, args: impl IntoIterator<Item = A>) -> Run {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.path("")).stdin(Stdio::null());
        for name in BROKER_VARIABLES {
            command.env_remove(name).env_remove(format!("{name}_FILE"));
        }
        for name in ["PACKHORSE_TLS_CA", "PACKHORSE_TLS_CERT", "PACKHORSE_TLS_KEY", "PACKHORSE_KEY_FILE"] {
            command.env_remove(name);
        }
        command.env_remove("PACKHORSE_LOG").env_remove("RUST_LOG").env_remove("RUST_BACKTRACE").env_remove("TMUX");
        let beside = |name: &str| self.directory.path().join(name);
        command.env("TMPDIR", beside("tmp")).env("HOME", beside("home")).env_remove("XDG_STATE_HOME");
        Run::new(command)
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
