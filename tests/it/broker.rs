//! RabbitMQ for tests: a private node in a temporary directory, started when first needed.
//!
//! - [`any`] is for tests that need a broker and nothing else of it: `AMQP_URL` if that is set.
//! - [`shared`] is a virtual host of one's own on the node that all tests of this run share; with
//!   commands of an operator that concern this virtual host.
//! - [`own`] is a whole node, for faults that concern a node: restarts and alarms.
//!
//! A node's parent is a shell that reads commands from a pipe. When this process ends, however it
//! ends, the pipe closes and the shell kills the node and removes its directory.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use shared::transport::BrokerUrl;

/// Longer than a node takes to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(90);

/// Takes `start`, `kill` and the end of its input. The node is killed before the script around it,
/// which then reaps it; where it has not said yet which process it is, both go together.
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
    start) setsid "$SERVER" </dev/null >>"$HOME/output" 2>&1 & server=$! ;;
    kill) end ;;
    esac
done
end
kill -9 "$epmd"
rm -rf "$HOME"
"#;

/// A RabbitMQ node, killed with this process or with this value.
struct Node {
    keeper: Mutex<Child>,
    directory: PathBuf,
    port: u16,
    environment: Vec<(&'static str, String)>,
}

/// A broker to connect to.
pub struct Broker {
    node: Option<Arc<Node>>,
    vhost: String,
    url: BrokerUrl,
}

/// Whatever broker there is. Where `AMQP_URL` names it, no virtual host can be made, so names of
/// queues must be unlike those of other tests: see [`unique`].
pub async fn any() -> Broker {
    match std::env::var("AMQP_URL") {
        Ok(url) => {
            let url = url.parse().expect("AMQP_URL is a broker's URL");
            Broker { node: None, vhost: String::new(), url }
        }
        Err(_) => shared().await,
    }
}

/// A virtual host of one's own on the node that all tests share.
pub async fn shared() -> Broker {
    static NODE: OnceLock<Arc<Node>> = OnceLock::new();
    let node = tokio::task::spawn_blocking(|| Arc::clone(NODE.get_or_init(|| Arc::new(Node::start()))));
    Broker::on(node.await.expect("the node starts")).await
}

/// A node of one's own.
pub async fn own() -> Broker {
    let node = tokio::task::spawn_blocking(|| Arc::new(Node::start()));
    Broker::on(node.await.expect("the node starts")).await
}

/// A node of one's own that does not run yet: see [`Broker::start`].
pub fn absent() -> Broker {
    let node = Arc::new(Node::prepare());
    let url = node.url("guest:guest", "%2f");
    Broker { node: Some(node), vhost: "/".to_owned(), url }
}

/// A name that no other test and no other run uses.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let started = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_millis());
    format!("{name}-{}-{started}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Broker {
    async fn on(node: Arc<Node>) -> Self {
        let vhost = unique("test");
        let url = node.url("guest:guest", &vhost);
        let broker = Self { node: Some(node), vhost, url };
        broker.make_vhost().await;
        broker
    }

    async fn make_vhost(&self) {
        self.ctl(&["add_vhost", &self.vhost]).await;
        self.ctl(&["set_permissions", "--vhost", &self.vhost, "guest", ".*", ".*", ".*"]).await;
    }

    /// Replaces the virtual host by an empty one, as if the broker had lost its disk.
    pub async fn empty(&self) {
        self.ctl(&["delete_vhost", &self.vhost]).await;
        self.make_vhost().await;
    }

    /// Where it is, with all rights.
    pub fn url(&self) -> &BrokerUrl {
        &self.url
    }

    /// Where it is, for some other user (`name:password`) or virtual host.
    pub fn url_as(&self, user: &str, vhost: &str) -> BrokerUrl {
        self.node().url(user, vhost)
    }

    /// Makes a user with these rights, and says how to connect as them.
    pub async fn user(&self, configure: &str, write: &str, read: &str) -> BrokerUrl {
        let name = unique("user");
        self.ctl(&["add_user", &name, "secret"]).await;
        self.ctl(&["set_permissions", "--vhost", &self.vhost, &name, configure, write, read]).await;
        self.url_as(&format!("{name}:secret"), &self.vhost)
    }

    /// Starts the node, and waits until it accepts.
    pub async fn start(&self) {
        let node = Arc::clone(self.node());
        node.order("start");
        tokio::task::spawn_blocking(move || node.accepts()).await.expect("the node starts");
    }

    /// Kills the node as a power cut would.
    pub async fn kill(&self) {
        let node = Arc::clone(self.node());
        node.order("kill");
        let refused = move || while TcpStream::connect(("127.0.0.1", node.port)).is_ok() {};
        tokio::task::spawn_blocking(refused).await.expect("no panic");
    }

    /// Closes every connection to the virtual host.
    pub async fn close_connections(&self) {
        self.ctl(&["close_all_connections", "--vhost", &self.vhost, "for a test"]).await;
    }

    /// Makes the node short of memory, or not any more.
    pub async fn set_memory_alarm(&self, on: bool) {
        self.ctl(&["set_vm_memory_high_watermark", if on { "0.000001" } else { "0.8" }]).await;
    }

    /// Deletes a queue, whoever uses it.
    pub async fn delete_queue(&self, name: &str) {
        self.ctl(&["delete_queue", "--vhost", &self.vhost, name]).await;
    }

    /// Names of the queues in the virtual host.
    pub async fn queues(&self) -> Vec<String> {
        let table = self.ctl(&["list_queues", "--vhost", &self.vhost, "--no-table-headers", "name"]).await;
        table.lines().map(str::to_owned).collect()
    }

    /// How many connections there are to the virtual host.
    pub async fn connections(&self) -> usize {
        let table = self.ctl(&["list_connections", "--no-table-headers", "vhost"]).await;
        table.lines().filter(|line| *line == self.vhost).count()
    }

    fn node(&self) -> &Arc<Node> {
        self.node.as_ref().expect("a test that needs an operator's commands asks for `shared` or `own`")
    }

    async fn ctl(&self, arguments: &[&str]) -> String {
        let node = self.node();
        let mut command = tokio::process::Command::new(program("rabbitmqctl"));
        command.envs(node.environment.iter().cloned()).arg("--quiet").args(arguments);
        let output = command.output().await.expect("rabbitmqctl runs");
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {said}{complaint}");
        said.into_owned()
    }
}

impl Node {
    fn start() -> Self {
        let node = Self::prepare();
        node.order("start");
        node.accepts();
        node
    }

    fn prepare() -> Self {
        let (server, epmd) = (program("rabbitmq-server"), program("epmd"));
        let directory = std::env::temp_dir().join(unique("packhorse-broker"));
        std::fs::create_dir(&directory).expect("a directory for the node");
        let [port, naming, distribution] = free_ports();
        let environment = environment(&directory, port, naming, distribution);
        let mut command = Command::new("sh");
        command.args(["-c", KEEPER]).envs(environment.iter().cloned());
        command.env("SERVER", server).env("EPMD", epmd).stdin(Stdio::piped()).stdout(Stdio::null());
        let keeper = Mutex::new(command.spawn().expect("a shell runs"));
        Self { keeper, directory, port, environment }
    }

    fn url(&self, user: &str, vhost: &str) -> BrokerUrl {
        format!("amqp://{user}@127.0.0.1:{}/{vhost}", self.port).parse().expect("a broker's URL")
    }

    fn order(&self, command: &str) {
        let mut keeper = self.keeper.lock().expect("no test panics while it orders");
        let pipe = keeper.stdin.as_mut().expect("the pipe is open until the node is dropped");
        writeln!(pipe, "{command}").expect("the keeper reads until the pipe closes");
    }

    fn accepts(&self) {
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

/// Everything that a node and its tools would otherwise share with a node of the system.
fn environment(directory: &Path, port: u16, naming: u16, distribution: u16) -> Vec<(&'static str, String)> {
    let inside = |name: &str| directory.join(name).display().to_string();
    let write = |name: &str, text: &str| std::fs::write(directory.join(name), text).expect("a file for the node");
    write("plugins", "[].");
    write("rabbitmq.conf", "disk_free_limit.absolute = 1MB\nraft.wal_max_size_bytes = 33554432\n");
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
        // Idle schedulers sleep instead of spinning: several nodes may run on few cores.
        ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+sbwt none +sbwtdcpu none +sbwtdio none".to_owned()),
    ]
}

/// Packages put scripts that switch users on the search path; the real ones need no user of their own.
fn program(name: &str) -> PathBuf {
    let usual = ["/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    usual
        .into_iter()
        .chain(std::env::split_paths(&path))
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is missing: install RabbitMQ (Debian: rabbitmq-server) or set AMQP_URL to a broker's URL")
        })
}

fn free_ports<const N: usize>() -> [u16; N] {
    let sockets: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    sockets.map(|socket| socket.local_addr().expect("it is bound").port())
}
