//! A RabbitMQ node of this process alone.
//!
//! Its parent is a shell that reads commands from a pipe. When this process ends, however it ends,
//! the pipe closes and the shell kills the node and removes its directory.
//!
//! It is the RabbitMQ of this machine. Where `PACKHORSE_TEST_RABBITMQ` names a version, it is that one out
//! of its image, in a container that shares network, processes and temporary files with this machine: so
//! it is ordered about by the same script, and as hard.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use shared::transport::BrokerUrl;

use super::{LOW_SPIN, docker, unique};

/// Longer than a node takes to start on a busy machine.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(90);

/// Its arguments are the server's command. Takes `start`, `stop`, `kill`, `pause`, `resume` and the end of
/// its input. The node is killed before the script around it, which then reaps it; where it has not said yet
/// which process it is, both go together.
const KEEPER: &str = r#"
trap '' INT TERM HUP
"$EPMD" -port "$ERL_EPMD_PORT" -address 127.0.0.1 >/dev/null 2>&1 &
epmd=$!
server=
end() {
    [ -n "$server" ] || return
    if [ -s "$RABBITMQ_PID_FILE" ]; then kill -9 "$(cat "$RABBITMQ_PID_FILE")"; else kill -9 -"$server"; fi
    wait "$server"
    rm -f "$RABBITMQ_PID_FILE"
    server=
} 2>/dev/null
while read -r command; do
    case $command in
    start) setsid "$@" </dev/null >>"$HOME/output" 2>&1 & server=$! ;;
    kill) end ;;
    pause) kill -STOP "$(cat "$RABBITMQ_PID_FILE")" ;;
    resume) kill -CONT "$(cat "$RABBITMQ_PID_FILE")" ;;
    stop) kill -TERM "$(cat "$RABBITMQ_PID_FILE")"; wait "$server"; server= ;;
    esac
done
end
kill -9 "$epmd"
rm -rf "$HOME"
"#;

/// A RabbitMQ node, killed with this process or with this value.
pub(super) struct Node {
    keeper: Mutex<Child>,
    directory: PathBuf,
    pub(super) port: u16,
    environment: Vec<(&'static str, String)>,
    container: Option<String>,
}

impl Node {
    pub(super) fn start() -> Self {
        Self::start_with("", "[].")
    }

    /// With more lines of configuration, and Erlang's terms for advanced.config.
    pub(super) fn start_with(configuration: &str, settings: &str) -> Self {
        let node = Self::prepare_with(configuration);
        std::fs::write(node.directory.join("advanced.config"), settings).expect("a file for the node");
        node.order("start");
        node.accepts();
        node
    }

    pub(super) fn prepare() -> Self {
        Self::prepare_with("")
    }

    fn prepare_with(configuration: &str) -> Self {
        let epmd = program("epmd");
        let directory = std::env::temp_dir().join(unique("packhorse-broker"));
        std::fs::create_dir(&directory).expect("a directory for the node");
        let [port, naming, distribution] = std::array::from_fn(|_| free_port());
        let environment = environment(&directory, port, naming, distribution, configuration);
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER]).envs(environment.iter().cloned());
        let container = std::env::var_os("PACKHORSE_TEST_RABBITMQ").map(|_| docker::name("alone"));
        command.arg("keeper").args(match &container {
            Some(name) => contained(name, &directory, &environment),
            None => vec![program("rabbitmq-server").into()],
        });
        command.env("EPMD", epmd).stdin(Stdio::piped()).stdout(Stdio::null());
        let keeper = Mutex::new(command.spawn().expect("a shell runs"));
        Self { keeper, directory, port, environment, container }
    }

    pub(super) fn url(&self, user: &str, vhost: &str) -> BrokerUrl {
        format!("amqp://{user}@127.0.0.1:{}/{vhost}", self.port).parse().expect("a broker's URL")
    }

    pub(super) fn command(&self, program: &str) -> Command {
        if let Some(container) = &self.container {
            return docker::within(container, program);
        }
        let mut command = Command::new(program);
        let path = std::env::join_paths(programs()).expect("what came out of PATH goes into it");
        command.env("PATH", path).envs(self.environment.iter().cloned());
        command
    }

    pub(super) fn order(&self, command: &str) {
        let mut keeper = self.keeper.lock().expect("no test panics while it orders");
        let pipe = keeper.stdin.as_mut().expect("the pipe is open until the node is dropped");
        writeln!(pipe, "{command}").expect("the keeper reads until the pipe closes");
    }

    /// Stops it as it stands, until it is ordered to `resume`.
    pub(super) fn pause(&self) {
        self.order("pause");
        let give_up = Instant::now() + START_TIMEOUT;
        let process = std::fs::read_to_string(self.directory.join("pid")).expect("it runs");
        let state = || std::fs::read_to_string(format!("/proc/{}/status", process.trim())).expect("it is there");
        while !state().lines().any(|line| line.starts_with("State:\tT")) {
            assert!(Instant::now() < give_up, "RabbitMQ is not stopped");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    pub(super) fn accepts(&self) {
        let give_up = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let output = || std::fs::read_to_string(self.directory.join("output")).unwrap_or_default();
            assert!(Instant::now() < give_up, "RabbitMQ does not start: {}", output());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Ok(keeper) = self.keeper.get_mut() {
            drop(keeper.stdin.take());
            // A keeper that failed has nothing left to clean.
            let _ = keeper.wait();
        }
    }
}

/// What runs the server in a container of this name. The client of Docker ends when the server does.
fn contained(name: &str, directory: &Path, environment: &[(&str, String)]) -> Vec<OsString> {
    let owner = directory.metadata().expect("it is there");
    let user = format!("{}:{}", owner.uid(), owner.gid());
    // All temporary files: certificates of tests are among them.
    let shared = std::env::temp_dir().display().to_string();
    let volume = format!("{shared}:{shared}");
    let place = ["docker", "run", "--rm", "--name", name, "--network", "host", "--pid", "host", "--user", &user];
    let variables = environment.iter().flat_map(|(name, _)| ["--env", *name]);
    let server = ["--volume", &volume, "--entrypoint", "rabbitmq-server", &docker::images().rabbitmq];
    place.into_iter().chain(variables).chain(server).map(OsString::from).collect()
}

/// Everything that a node and its tools would otherwise share with a node of the system.
fn environment(
    directory: &Path,
    port: u16,
    naming: u16,
    distribution: u16,
    configuration: &str,
) -> Vec<(&'static str, String)> {
    let inside = |name: &str| directory.join(name).display().to_string();
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).expect("a file for the node");
    write("plugins", "[].");
    let usual = "disk_free_limit.absolute = 1MB\nraft.wal_max_size_bytes = 33554432\n";
    write("rabbitmq.conf", &format!("{usual}{configuration}"));
    vec![
        ("HOME", directory.display().to_string()),
        ("ERL_EPMD_PORT", naming.to_string()),
        ("RABBITMQ_NODENAME", format!("packhorse{port}@localhost")),
        ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", distribution.to_string()),
        ("RABBITMQ_MNESIA_BASE", inside("data")),
        ("RABBITMQ_LOG_BASE", inside("log")),
        ("RABBITMQ_PID_FILE", inside("pid")),
        ("RABBITMQ_CONFIG_FILE", inside("rabbitmq.conf")),
        ("RABBITMQ_ADVANCED_CONFIG_FILE", inside("advanced.config")),
        ("RABBITMQ_CONF_ENV_FILE", inside("environment")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", inside("plugins")),
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", LOW_SPIN.to_owned()),
    ]
}

/// Where programs are looked for. Packages put scripts that switch users on the search path; the real ones
/// need no user of their own.
fn programs() -> Vec<PathBuf> {
    let usual = ["/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    usual.into_iter().chain(std::env::split_paths(&path)).collect()
}

fn program(name: &str) -> PathBuf {
    programs().into_iter().map(|directory| directory.join(name)).find(|program| program.is_file()).unwrap_or_else(
        || panic!("{name} is missing: install RabbitMQ (Debian: rabbitmq-server) or set AMQP_URL to a broker's URL"),
    )
}

/// A port that nobody uses, and that is given to nobody else: whom it is for may take it much later.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().expect("it is bound").port();
        if GIVEN.lock().expect("no panic under this lock").insert(port) {
            return port;
        }
    }
}
