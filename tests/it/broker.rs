//! RabbitMQ for tests: a private node in a temporary directory, started when first needed.
//!
//! - [`any`] is for tests that need a broker and nothing else of it: `AMQP_URL` if that is set.
//! - [`shared`] is a virtual host of one's own on the node that all tests of this run share; with
//!   commands of an operator that concern this virtual host.
//! - [`own`] is a whole node, for faults that concern a node: restarts and alarms.

mod node;

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use shared::transport::BrokerUrl;

use self::node::{Node, program};

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
        self.end("kill").await;
    }

    /// Stops the node in order, as for an upgrade.
    pub async fn stop(&self) {
        self.end("stop").await;
    }

    async fn end(&self, order: &str) {
        let node = Arc::clone(self.node());
        node.order(order);
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
