//! Three RabbitMQ nodes in containers: one cluster on a network of its own, behind a balancer.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shared::transport::BrokerUrl;

use super::balancer::Balancer;
use super::container::{PORT, READY};
use super::docker::{self, docker};
use super::node::START_TIMEOUT;
use super::{LOW_SPIN, unique};

/// How many there are.
pub const NODES: usize = 3;

/// What the nodes know each other by.
const COOKIE: &str = "packhorse";

/// A node that sees no majority pauses, and comes back by itself: what RabbitMQ advises for three. The
/// silence of another node is noticed within seconds rather than a minute.
const CONFIG: &str = "cluster_partition_handling = pause_minority\nnet_ticktime = 5\n";

/// The cluster, gone with this value or this process.
pub(super) struct Nodes {
    network: String,
    names: [String; NODES],
    config: PathBuf,
    balancer: Balancer,
}

impl Nodes {
    pub(super) fn start() -> Self {
        let network = docker::name("network");
        docker(&["network", "create", &network]);
        let config = std::env::temp_dir().join(unique("packhorse-cluster"));
        fs::write(&config, CONFIG).expect("a file for the nodes");
        let names = std::array::from_fn(|_| docker::name("node"));
        let nodes = Self { network, names, config, balancer: Balancer::start() };
        nodes.names.iter().for_each(|name| nodes.run(name));
        (0..NODES).for_each(|node| nodes.is_up(node, 1));
        let first = &nodes.names[0];
        for name in &nodes.names[1..] {
            let join =
                format!("rabbitmqctl stop_app && rabbitmqctl join_cluster rabbit@{first} && rabbitmqctl start_app");
            docker(&["exec", name, "sh", "-c", &join]);
        }
        nodes.settle(0);
        nodes
    }

    fn run(&self, name: &str) {
        let mount = format!("{}:/etc/rabbitmq/conf.d/90-cluster.conf:ro", self.config.display());
        let node = format!("RABBITMQ_NODENAME=rabbit@{name}");
        let server = format!("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS={LOW_SPIN} -setcookie {COOKIE}");
        let tools = format!("RABBITMQ_CTL_ERL_ARGS=-setcookie {COOKIE}");
        let image = &docker::images().rabbitmq;
        let place = ["run", "--detach", "--name", name, "--hostname", name, "--network", &self.network];
        let settings = ["--env", &node, "--env", &server, "--env", &tools, "--volume", &mount, image];
        docker(&[&place[..], &settings].concat());
    }

    /// Waits until the node has started so many times.
    fn is_up(&self, node: usize, times: usize) {
        let give_up = Instant::now() + START_TIMEOUT;
        while self.starts(node) < times {
            assert!(Instant::now() < give_up, "a node of the cluster does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn starts(&self, node: usize) -> usize {
        docker(&["logs", &self.names[node]]).matches(READY).count()
    }

    /// Waits until every node is there, as this one sees it, and tells the balancer where.
    fn settle(&self, seen_by: usize) {
        let all = NODES.to_string();
        docker(&["exec", &self.names[seen_by], "rabbitmqctl", "await_online_nodes", &all]);
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = |name: &String| -> SocketAddr {
            let address = docker(&["inspect", "--format", format, name]);
            let address: IpAddr = address.parse().unwrap_or_else(|error| panic!("{name} is at {address:?}: {error}"));
            (address, PORT).into()
        };
        self.balancer.set(self.names.iter().map(address).collect());
    }

    pub(super) fn url(&self, user: &str, vhost: &str) -> BrokerUrl {
        format!("amqp://{user}@127.0.0.1:{}/{vhost}", self.balancer.port).parse().expect("a broker's URL")
    }

    /// An operator asks whoever is there; between faults all are.
    pub(super) fn command(&self, program: &str) -> Command {
        docker::within(&self.names[0], program)
    }

    /// SIGKILL.
    pub(super) fn kill(&self, node: usize) {
        docker(&["kill", &self.names[node]]);
    }

    /// Starts one that was killed.
    pub(super) fn start_again(&self, node: usize) {
        let before = self.starts(node);
        docker(&["start", &self.names[node]]);
        self.is_up(node, before + 1);
        self.settle((node + 1) % NODES);
    }

    /// Off the network: nobody is told.
    pub(super) fn cut_off(&self, node: usize) {
        docker(&["network", "disconnect", &self.network, &self.names[node]]);
    }

    pub(super) fn rejoin(&self, node: usize) {
        docker(&["network", "connect", &self.network, &self.names[node]]);
        self.settle((node + 1) % NODES);
    }

    /// Stops one in order and starts it, as an upgrade does.
    pub(super) fn restart(&self, node: usize) {
        docker(&["stop", "--time", "30", &self.names[node]]);
        self.start_again(node);
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        remove.args(["rm", "--force", "--volumes"]).args(&self.names).stdout(Stdio::null());
        // What stays is removed when this process ends.
        let _ = remove.status();
        let _ = fs::remove_file(&self.config);
    }
}
