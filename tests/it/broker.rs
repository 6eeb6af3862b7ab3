//! RabbitMQ for tests.
//!
//! - [`any`] is for tests that need a broker and nothing else of it: `AMQP_URL` if that is set.
//! - [`shared`] is a virtual host of one's own on a broker that all tests of this run share, with
//!   commands of an operator that concern this virtual host: a container if Docker is there, else a
//!   private node. `PACKHORSE_TEST_BROKER` says which of the two it must be: `docker` or `node`.
//! - [`nodes`] is a cluster of three nodes in containers.
//! - [`own`] is a whole private node, for faults that concern a node: restarts and alarms.
//!
//! `PACKHORSE_TEST_RABBITMQ` says which version all of them are of, `3.10` or `4.0`; else those in
//! containers are 3.10, and private nodes are what this machine has.
//!
//! # Layout
//! - `container`: in a container
//! - `node`: in a temporary directory, as a process of this machine
//! - `nodes`: three of them, behind `balancer`
//! - `policy`: policies
//! - `docker`: images, and containers that go with this process

mod balancer;
pub mod container;
pub mod docker;
pub mod node;
pub mod nodes;
mod policy;

use std::net::TcpStream;
use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde_json::json;
use shared::transport::BrokerUrl;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use self::container::BrokerContainer;
use self::node::{Node, START_TIMEOUT};
use self::nodes::Nodes;

/// Idle schedulers sleep instead of spinning: several brokers may run on few cores.
const LOW_SPIN: &str = "+sbwt none +sbwtdcpu none +sbwtdio none";

/// Loads the definitions on standard input. They go through a file, since RabbitMQ 4.0.5 waits for ever for
/// the end of what it reads from a pipe.
const IMPORT: &str = r#"file=$(mktemp) && cat >"$file" && chmod a+r "$file" &&
rabbitmqctl --quiet import_definitions "$file"
status=$?
rm -f "$file"
exit $status"#;

/// Complaints of an operator's command that another try may not meet.
const PASSING: [&str; 3] = [
    "requires the 'rabbit' app to be running",
    // A cluster of version 4.0, soon after a node came back.
    "failed_to_start_vhost_on_nodes",
    // Docker's `exec` has not handed on what it was given: seen once in some thousand times.
    "unexpected_end_of_buffer",
];

/// Where a broker runs.
enum Server {
    Container(BrokerContainer),
    Node(Node),
    Nodes(Nodes),
}

/// A broker to connect to.
pub struct Broker {
    server: Option<Arc<Server>>,
    vhost: String,
    url: BrokerUrl,
}

/// Whatever broker there is. Where `AMQP_URL` names it, no virtual host can be made, so names of
/// queues must be unlike those of other tests: see [`unique`].
pub async fn any() -> Broker {
    match std::env::var("AMQP_URL") {
        Ok(url) => {
            let url = url.parse().expect("AMQP_URL is a broker's URL");
            Broker { server: None, vhost: String::new(), url }
        }
        Err(_) => shared().await,
    }
}

/// A virtual host of one's own on the broker that all tests share.
pub async fn shared() -> Broker {
    static SERVER: OnceLock<Arc<Server>> = OnceLock::new();
    let server = tokio::task::spawn_blocking(|| Arc::clone(SERVER.get_or_init(|| Arc::new(Server::start()))));
    Broker::on(server.await.expect("the broker starts")).await
}

/// A node of one's own.
pub async fn own() -> Broker {
    let node = tokio::task::spawn_blocking(|| Arc::new(Server::Node(Node::start())));
    Broker::on(node.await.expect("the node starts")).await
}

/// A node of one's own with settings that only RabbitMQ's advanced.config takes.
pub async fn with_settings(settings: &'static str) -> Broker {
    let start = || Arc::new(Server::Node(Node::start_with("", settings)));
    Broker::on(tokio::task::spawn_blocking(start).await.expect("the node starts")).await
}

/// A node of one's own with more lines in its `rabbitmq.conf`.
pub async fn configured(configuration: String) -> Broker {
    let start = move || Arc::new(Server::Node(Node::start_with(&configuration, "[].")));
    Broker::on(tokio::task::spawn_blocking(start).await.expect("the node starts")).await
}

/// A cluster of three nodes of one's own.
pub async fn nodes() -> Broker {
    let nodes = tokio::task::spawn_blocking(|| Arc::new(Server::Nodes(Nodes::start())));
    Broker::on(nodes.await.expect("the nodes start")).await
}

/// A node of one's own that does not run yet: see [`Broker::start`].
pub fn absent() -> Broker {
    let node = Server::Node(Node::prepare());
    let url = node.url("guest:guest", "%2f");
    Broker { server: Some(Arc::new(node)), vhost: "/".to_owned(), url }
}

/// A name that no other test and no other run uses.
pub fn unique(name: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let started = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_millis());
    format!("{name}-{}-{started}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    fn start() -> Self {
        match std::env::var("PACKHORSE_TEST_BROKER").as_deref() {
            Ok("docker") => Self::Container(BrokerContainer::start()),
            Ok("node") => Self::Node(Node::start()),
            Ok(other) => panic!("PACKHORSE_TEST_BROKER is {other:?}: use docker or node"),
            Err(_) if docker::is_there() => Self::Container(BrokerContainer::start()),
            Err(_) => Self::Node(Node::start()),
        }
    }

    fn url(&self, user: &str, vhost: &str) -> BrokerUrl {
        match self {
            Self::Container(container) => container.url(user, vhost),
            Self::Node(node) => node.url(user, vhost),
            Self::Nodes(nodes) => nodes.url(user, vhost),
        }
    }

    fn node(&self) -> &Node {
        match self {
            Self::Node(node) => node,
            _ => panic!("a test of a node's faults asks for `own`"),
        }
    }

    fn nodes(&self) -> &Nodes {
        match self {
            Self::Nodes(nodes) => nodes,
            _ => panic!("a test of a cluster's faults asks for `nodes`"),
        }
    }

    /// A program where the server runs, without its arguments.
    fn command(&self, program: &str) -> Command {
        match self {
            Self::Container(container) => container.command(program).into(),
            Self::Node(node) => node.command(program).into(),
            Self::Nodes(nodes) => nodes.command(program).into(),
        }
    }
}

impl Broker {
    async fn on(server: Arc<Server>) -> Self {
        let vhost = unique("test");
        let url = server.url("guest:guest", &vhost);
        let broker = Self { server: Some(server), vhost, url };
        broker.make_vhost().await;
        broker
    }

    /// In one command: each of them starts a virtual machine.
    async fn make_vhost(&self) {
        let vhost = &self.vhost;
        let rights = json!({"user": "guest", "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"});
        let definitions = json!({"vhosts": [{"name": vhost}], "permissions": [rights]});
        self.import_definitions(definitions.to_string().as_bytes()).await;
    }

    /// A fresh virtual host on the same server, in the place of this one.
    pub async fn renewed(self) -> Self {
        let old = async { self.ctl(&["delete_vhost", &self.vhost]).await };
        tokio::join!(old, Self::on(Arc::clone(self.server()))).1
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

    /// The virtual host's name.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// Loads a definitions file.
    pub async fn import_definitions(&self, definitions: &[u8]) {
        said(&["import_definitions"], self.retried(&["sh", "-c", IMPORT], definitions).await);
    }

    /// Where it is, for some other user (`name:password`) or virtual host.
    pub fn url_as(&self, user: &str, vhost: &str) -> BrokerUrl {
        self.server().url(user, vhost)
    }

    /// Makes a user with these rights, and says how to connect as them.
    pub async fn user(&self, configure: &str, write: &str, read: &str) -> BrokerUrl {
        let name = unique("user");
        self.ctl(&["add_user", &name, "secret"]).await;
        self.ctl(&["set_permissions", "--vhost", &self.vhost, &name, configure, write, read]).await;
        self.url_as(&format!("{name}:secret"), &self.vhost)
    }

    /// Makes a user of this name with all rights.
    pub async fn add_user(&self, name: &str, password: &str) {
        self.ctl(&["add_user", name, password]).await;
        self.ctl(&["set_permissions", "--vhost", &self.vhost, name, ".*", ".*", ".*"]).await;
    }

    /// Sets a user's limits, as JSON.
    pub async fn limit_user(&self, url: &BrokerUrl, limits: &str) {
        self.ctl(&["set_user_limits", url.user(), limits]).await;
    }

    /// Starts the node, and waits until it accepts.
    pub async fn start(&self) {
        let server = Arc::clone(self.server());
        let start = move || {
            let node = server.node();
            node.order("start");
            node.accepts();
        };
        tokio::task::spawn_blocking(start).await.expect("the node starts");
    }

    /// Kills the node as a power cut would.
    pub async fn kill(&self) {
        self.end("kill").await;
    }

    /// Stops the node in order, as for an upgrade.
    pub async fn stop(&self) {
        self.end("stop").await;
    }

    /// Stops the node as a hanging machine would: connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.server().node().pause();
    }

    /// Lets a paused node go on.
    pub fn resume(&self) {
        self.server().node().order("resume");
    }

    async fn end(&self, order: &str) {
        let server = Arc::clone(self.server());
        server.node().order(order);
        let refused = move || while TcpStream::connect(("127.0.0.1", server.node().port)).is_ok() {};
        tokio::task::spawn_blocking(refused).await.expect("no panic");
    }

    async fn on_nodes(&self, act: impl FnOnce(&Nodes) + Send + 'static) {
        let server = Arc::clone(self.server());
        tokio::task::spawn_blocking(move || act(server.nodes())).await.expect("docker does it");
    }

    /// Kills one node of the cluster.
    pub async fn kill_node(&self, node: usize) {
        self.on_nodes(move |nodes| nodes.kill(node)).await;
    }

    /// Starts it again, and waits until the cluster is whole.
    pub async fn start_node(&self, node: usize) {
        self.on_nodes(move |nodes| nodes.start_again(node)).await;
    }

    /// Takes one node off the network.
    pub async fn cut_off_node(&self, node: usize) {
        self.on_nodes(move |nodes| nodes.cut_off(node)).await;
    }

    /// Lets it back, and waits until the cluster is whole.
    pub async fn rejoin_node(&self, node: usize) {
        self.on_nodes(move |nodes| nodes.rejoin(node)).await;
    }

    /// Restarts one node in order, and waits until the cluster is whole.
    pub async fn restart_node(&self, node: usize) {
        self.on_nodes(move |nodes| nodes.restart(node)).await;
    }

    /// Closes every connection to the virtual host.
    pub async fn close_connections(&self) {
        self.ctl(&["close_all_connections", "--vhost", &self.vhost, "for a test"]).await;
    }

    /// Makes the node short of memory, or not any more.
    pub async fn set_memory_alarm(&self, on: bool) {
        self.ctl(&["set_vm_memory_high_watermark", if on { "0.000001" } else { "0.8" }]).await;
    }

    /// Makes the node short of disk, or not any more: it looks at once when the limit changes.
    pub async fn set_disk_alarm(&self, on: bool) {
        self.ctl(&["set_disk_free_limit", if on { "9000000GB" } else { "1MB" }]).await;
    }

    /// Deletes a queue, whoever uses it.
    pub async fn delete_queue(&self, name: &str) {
        self.ctl(&["delete_queue", "--vhost", &self.vhost, name]).await;
    }

    /// Deletes a queue and declares it again, as fast as the broker can.
    pub async fn remake_queue(&self, name: &str) {
        let program = format!(
            "Name = rabbit_misc:r(<<\"{}\">>, queue, <<\"{name}\">>), {{ok, Queue}} = rabbit_amqqueue:lookup(Name), \
             rabbit_amqqueue:delete(Queue, false, false, <<\"it\">>), \
             rabbit_amqqueue:declare(Name, true, false, amqqueue:get_arguments(Queue), none, <<\"it\">>).",
            self.vhost
        );
        self.ctl(&["eval", &program]).await;
    }

    /// The same where it may not exist; whether it did.
    pub async fn delete_queue_if_there(&self, name: &str) -> bool {
        self.try_ctl(&["delete_queue", "--vhost", &self.vhost, name]).await.status.success()
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

    fn server(&self) -> &Arc<Server> {
        self.server.as_ref().expect("a test that needs an operator's commands asks for `shared` or `own`")
    }

    async fn ctl(&self, arguments: &[&str]) -> String {
        said(arguments, self.try_ctl(arguments).await)
    }

    async fn try_ctl(&self, arguments: &[&str]) -> Output {
        self.retried(&[&["rabbitmqctl", "--quiet"], arguments].concat(), &[]).await
    }

    /// A node accepts connections a moment before it takes an operator's commands.
    async fn retried(&self, command: &[&str], input: &[u8]) -> Output {
        let give_up = Instant::now() + START_TIMEOUT;
        loop {
            let output = self.run(command, input).await;
            let complaint = String::from_utf8_lossy(&output.stderr);
            if !PASSING.iter().any(|words| complaint.contains(words)) || Instant::now() > give_up {
                return output;
            }
        }
    }

    async fn run(&self, command: &[&str], input: &[u8]) -> Output {
        let mut program = self.server().command(command[0]);
        program.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().expect("an operator's command runs");
        let mut pipe = child.stdin.take().expect("piped");
        // One that fails may not read all of it; what it says then is told by the caller.
        let (_, output) = tokio::join!(async move { pipe.write_all(input).await }, child.wait_with_output());
        output.expect("an operator's command ends")
    }
}

/// What a command of `rabbitmqctl` printed, which has to succeed.
fn said(arguments: &[&str], output: Output) -> String {
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "rabbitmqctl {arguments:?}: {said}{complaint}");
    said.into_owned()
}
