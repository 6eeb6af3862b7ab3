//! RabbitMQ for tests.
//!
//! - [`any`] is for tests that need a broker and nothing else of it: `AMQP_URL` if that is set.
//! - [`shared`] is a virtual host of one's own on a broker that all tests of this run share, with
//!   commands of an operator that concern this virtual host: a container if Docker is there, else a
//!   private node. `PACKHORSE_TEST_BROKER` says which of the two it must be: `docker` or `node`.
//! - [`own`] is a whole private node, for faults that concern a node: restarts and alarms.
//!
//! # Layout
//! - `container`: in a container
//! - `node`: in a temporary directory, as a process of this machine
//! - `docker`: images, and containers that go with this process

pub mod container;
pub mod docker;
mod node;

use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use shared::transport::BrokerUrl;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use self::container::BrokerContainer;
use self::node::Node;

/// Idle schedulers sleep instead of spinning: several brokers may run on few cores.
const LOW_SPIN: &str = "+sbwt none +sbwtdcpu none +sbwtdio none";

/// Where a broker runs.
enum Server {
    Container(BrokerContainer),
    Node(Node),
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
        }
    }

    fn node(&self) -> &Node {
        match self {
            Self::Container(_) => panic!("a test of a node's faults asks for `own`"),
            Self::Node(node) => node,
        }
    }

    /// `rabbitmqctl`, without its arguments.
    fn ctl(&self) -> Command {
        match self {
            Self::Container(container) => container.ctl().into(),
            Self::Node(node) => node.ctl().into(),
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

    /// The virtual host's name.
    pub fn vhost(&self) -> &str {
        &self.vhost
    }

    /// Loads a definitions file.
    pub async fn import_definitions(&self, definitions: Vec<u8>) {
        self.ctl_with(&["import_definitions"], definitions).await;
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

    async fn end(&self, order: &str) {
        let server = Arc::clone(self.server());
        server.node().order(order);
        let refused = move || while TcpStream::connect(("127.0.0.1", server.node().port)).is_ok() {};
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

    fn server(&self) -> &Arc<Server> {
        self.server.as_ref().expect("a test that needs an operator's commands asks for `shared` or `own`")
    }

    async fn ctl(&self, arguments: &[&str]) -> String {
        self.ctl_with(arguments, Vec::new()).await
    }

    async fn ctl_with(&self, arguments: &[&str], input: Vec<u8>) -> String {
        let mut command = self.server().ctl();
        command.arg("--quiet").args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("rabbitmqctl runs");
        let mut pipe = child.stdin.take().expect("piped");
        // One that fails may not read all of it; what it says then is told below.
        let (_, output) = tokio::join!(async move { pipe.write_all(&input).await }, child.wait_with_output());
        let output = output.expect("rabbitmqctl ends");
        let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "rabbitmqctl {arguments:?}: {said}{complaint}");
        said.into_owned()
    }
}
