//! RabbitMQ's definitions file: the topology, and a user for each role with the least rights.
//!
//! Once an operator has loaded it, no role needs the right to configure anything shared: a role
//! that may not declare uses what exists.
//!
//! # Layout
//! - `rights`: what each role's user may do

mod rights;

use serde_json::{Map, Value, json};

use crate::protocol::id::OwnerId;
use crate::protocol::topology::{self, Argument, Binding, Queue, Topology};
use crate::protocol::workload::Workload;
use rights::{Rights, rights};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Submits jobs to a reducer.
    Producer,
    Consumer,
    /// Owns jobs as a service.
    Reducer,
    /// Submits a job, owns it and waits for it: `packhorse sha1 --broker`.
    Submitter,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Owner ids of this user's commands begin with the name.
    pub name: String,
    pub role: Role,
    /// Hash of the password in the broker's format. A user without one cannot log in yet.
    pub password_hash: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Definitions {
    pub vhost: String,
    /// Id of the reducer service.
    pub owner: OwnerId,
    /// Names of the roots that consumers serve.
    pub roots: Vec<String>,
    pub users: Vec<User>,
}

impl Definitions {
    /// The file as `load_definitions` of the broker and `rabbitmqctl import_definitions` read it.
    pub fn to_json(&self) -> Value {
        let vhost = &self.vhost;
        let topology = self.topology();
        let exchanges = topology.exchanges.iter().map(|exchange| {
            json!({
                "name": exchange.name, "vhost": vhost, "type": "topic", "durable": true, "auto_delete": false,
                "internal": false, "arguments": arguments(exchange.arguments()),
            })
        });
        let queues = topology.queues.iter().map(|queue| {
            json!({
                "name": queue.name, "vhost": vhost, "durable": true, "auto_delete": false,
                "arguments": arguments(queue.arguments()),
            })
        });
        let bindings = topology.bindings.iter().map(|binding| {
            json!({
                "source": binding.exchange, "vhost": vhost, "destination": binding.queue,
                "destination_type": "queue", "routing_key": binding.key, "arguments": {},
            })
        });
        let users = self.users.iter().map(|user| {
            json!({
                "name": user.name, "tags": "", "hashing_algorithm": "rabbit_password_hashing_sha256",
                "password_hash": user.password_hash.as_deref().unwrap_or_default(),
            })
        });
        let rights: Vec<(&User, Rights)> = self.users.iter().map(|user| (user, rights(user, &self.owner))).collect();
        let permissions = rights.iter().map(|(user, rights)| {
            json!({
                "user": user.name, "vhost": vhost,
                "configure": rights.configure, "write": rights.write, "read": rights.read,
            })
        });
        let topics = rights.iter().flat_map(|(user, rights)| {
            rights.topics.iter().map(|topic| {
                json!({
                    "user": user.name, "vhost": vhost, "exchange": topic.exchange,
                    "write": topic.write, "read": topic.read,
                })
            })
        });
        json!({
            "vhosts": [{ "name": vhost }],
            "users": users.collect::<Vec<_>>(),
            "permissions": permissions.collect::<Vec<_>>(),
            "topic_permissions": topics.collect::<Vec<_>>(),
            "parameters": [],
            "policies": [],
            "exchanges": exchanges.collect::<Vec<_>>(),
            "queues": queues.collect::<Vec<_>>(),
            "bindings": bindings.collect::<Vec<_>>(),
        })
    }

    /// Everything that outlives a process, but light queues: these are made when they are needed.
    fn topology(&self) -> Topology {
        let mut topology = topology::shared();
        let mut add = |queue: Queue, bindings: Vec<Binding>| {
            topology.queues.push(queue);
            topology.bindings.extend(bindings);
        };
        for workload in Workload::ALL.into_iter().filter(|workload| !workload.descriptor().queue.is_light()) {
            for class in workload.descriptor().classes.for_roots(self.roots.iter().map(String::as_str)) {
                let (queue, binding) = topology::tasks(workload, &class);
                add(queue, vec![binding]);
            }
        }
        let (queue, bindings) = topology::service_owner(&self.owner);
        add(queue, bindings);
        topology
    }
}

fn arguments(arguments: Vec<(&'static str, Argument)>) -> Map<String, Value> {
    let value = |value| match value {
        Argument::Text(value) => json!(value),
        Argument::Integer(value) => json!(value),
        Argument::Flag(value) => json!(value),
    };
    arguments.into_iter().map(|(name, argument)| (name.to_owned(), value(argument))).collect()
}
