//! The example and the commands as processes: started, watched, signalled, and gone with their test.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::world::send;

/// Longer than anything here takes on a busy machine; a test that reaches it has failed.
pub const LIMIT: Duration = Duration::from_secs(120);

/// A process with what it has said so far. Killed when dropped.
pub struct Process {
    name: String,
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

/// The example, built as this test was, with the features that the whole workspace has then: cargo names no
/// variable for examples, and builds none for `cargo test --test it`.
pub fn example() -> &'static Path {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    EXAMPLE.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // What `cargo test` compiles with, or all dependencies are compiled once more.
        let profile = if cfg!(debug_assertions) { "test" } else { "release" };
        build.args(["build", "--quiet", "--workspace", "--profile", profile, "--example", "horse_rider"]);
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        // Tests hear from cargo whose they are. Build scripts that look at the same variables would run again,
        // and all that depends on them be compiled again, here and in the next `cargo test`.
        let of_this_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(of_this_package) {
                build.env_remove(name);
            }
        }
        assert!(build.status().expect("cargo runs").success(), "the example builds");
        let test = std::env::current_exe().expect("this test's path");
        let profile = test.parent().and_then(Path::parent).expect("PROFILE/deps/it-HASH");
        profile.join("examples/horse_rider")
    })
}

impl Process {
    pub fn horse_rider(arguments: &[&str]) -> Self {
        Self::start(Command::new(example()).args(arguments))
    }

    pub fn packhorse(arguments: &[&str]) -> Self {
        Self::start(Command::new(env!("CARGO_BIN_EXE_packhorse")).args(arguments))
    }

    pub fn start(command: &mut Command) -> Self {
        for name in ["PACKHORSE_BROKER", "AMQP_URL", "RABBITMQ_URL", "CLOUDAMQP_URL"] {
            command.env_remove(name);
        }
        let name = format!("{command:?}");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().expect("piped"), Arc::clone(&out)),
            collect(child.stderr.take().expect("piped"), Arc::clone(&err)),
        ];
        Self { name, child, out, err, readers }
    }

    /// As Ctrl-C does.
    pub fn interrupt(&self) {
        send("INT", self.child.id());
    }

    /// SIGKILL: it cannot say goodbye.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        let _ = self.child.wait();
    }

    pub fn errors(&self) -> String {
        self.err.lock().expect("readers do not panic").clone()
    }

    /// Waits until stderr holds `text`.
    pub fn complains(&self, text: &str) {
        let give_up = Instant::now() + LIMIT;
        while !self.errors().contains(text) {
            assert!(Instant::now() < give_up, "{} does not say {text:?}: {}", self.name, self.errors());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end: exit code (`None` after a signal), stdout, stderr.
    pub fn end(mut self) -> (Option<i32>, String, String) {
        let give_up = Instant::now() + LIMIT;
        let status = loop {
            match self.child.try_wait().expect("it is a child") {
                Some(status) => break status,
                None => assert!(Instant::now() < give_up, "{} does not end: {}", self.name, self.errors()),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().expect("readers do not panic");
        }
        let out = self.out.lock().expect("readers do not panic").clone();
        (status.code(), out, self.errors())
    }

    /// Its stdout, once it has ended well.
    pub fn succeeds(self) -> String {
        let name = self.name.clone();
        let (code, out, err) = self.end();
        assert_eq!(code, Some(0), "{name}: {out}{err}");
        out
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Ended already, as it should be; or its test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut text = into.lock().expect("no other holder panics");
            text.push_str(&line);
            text.push('\n');
        }
    })
}
