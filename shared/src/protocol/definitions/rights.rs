//! What each role's user may do.
//!
//! RabbitMQ requires `write` on an exchange to publish to it, `read` on a queue to consume from it,
//! and `configure` on a queue to declare it. To bind a queue it requires `write` on the queue and
//! `read` on the exchange. On a topic exchange a second pair of patterns limits the routing keys:
//! `write` those of messages, `read` those of bindings. An exchange without that pair has no limit
//! on routing keys, so every exchange that a user may use has one here.

use super::{Role, User};
use crate::protocol::id::OwnerId;
use crate::protocol::topology::{
    ALL_CONSUMERS, ALL_OWNERS, CONSUMER_QUEUES, CONTROL, CONTROL_QUEUES, DEAD, LIGHT_QUEUES, OUTCOMES, OWNER_QUEUES,
    PLANS, PRESENCE, REPLY_QUEUES, TASKS,
};

/// Pattern for one word of a routing key, or for the end of a queue's name. It has neither `*` nor
/// `#`, so a binding cannot match more than one key.
const ID: &str = "[A-Za-z0-9_-]+";
/// Pattern for the random end of an owner's id. It has no `-`, so no user's name can be part of it.
const TOKEN: &str = "[a-z0-9]{16}";
const NOTHING: &str = "^$";
const ANYTHING: &str = ".*";

/// Patterns over names of exchanges and queues, and over routing keys.
pub(super) struct Rights {
    pub(super) configure: String,
    pub(super) write: String,
    pub(super) read: String,
    pub(super) topics: Vec<Topic>,
}

/// Patterns over routing keys on one exchange.
pub(super) struct Topic {
    pub(super) exchange: &'static str,
    pub(super) write: String,
    pub(super) read: String,
}

pub(super) fn rights(user: &User, owner: &OwnerId) -> Rights {
    match user.role {
        Role::Producer => producer(owner),
        Role::Consumer => consumer(),
        Role::Reducer => reducer(owner),
        Role::Submitter => submitter(&user.name),
    }
}

/// A producer sends requests to the owner over the control exchange, and sends it the plan.
fn producer(owner: &OwnerId) -> Rights {
    let replies = exclusive(REPLY_QUEUES, ID);
    Rights {
        configure: any_of(&[&replies]),
        write: any_of(&[&name(PLANS), &name(CONTROL), &replies]),
        read: any_of(&[&name(CONTROL), &replies]),
        topics: vec![
            topic(PLANS, &[&format!(r"plan\.{owner}")], &[]),
            topic(CONTROL, &[&format!(r"owner\.{owner}"), ALL_OWNERS], &[&reply()]),
        ],
    }
}

/// A consumer takes tasks, sends outcomes to their owners, and sends heartbeats.
fn consumer() -> Rights {
    let (own, light) = (exclusive(CONSUMER_QUEUES, ID), light());
    let tasks = queues(&format!("{TASKS}."), &format!(r"{ID}\.{ID}"));
    Rights {
        configure: any_of(&[&own, &light]),
        write: any_of(&[&name(OUTCOMES), &name(DEAD), &name(CONTROL), &own, &light]),
        read: any_of(&[&name(TASKS), &name(CONTROL), &own, &light, &tasks]),
        topics: vec![
            topic(TASKS, &[], &[&format!(r"{ID}\.{ID}\.\*")]),
            topic(OUTCOMES, &[ID], &[]),
            topic(DEAD, &[ANYTHING], &[]),
            topic(CONTROL, &[PRESENCE], &[ALL_CONSUMERS]),
        ],
    }
}

/// A reducer consumes its owner's queue, sends tasks, and answers over the control exchange.
fn reducer(owner: &OwnerId) -> Rights {
    let (own, replies) = (exclusive(CONTROL_QUEUES, owner.as_str()), exclusive(REPLY_QUEUES, ID));
    let (light, tasks) = (light(), task_of(owner.as_str()));
    Rights {
        configure: any_of(&[&own, &replies, &light]),
        write: any_of(&[&name(TASKS), &name(DEAD), &name(CONTROL), &own, &replies, &light]),
        read: any_of(&[&name(TASKS), &name(CONTROL), &queues(OWNER_QUEUES, owner.as_str()), &own, &replies, &light]),
        topics: vec![
            topic(TASKS, &[&tasks], &[&tasks]),
            topic(DEAD, &[ANYTHING], &[]),
            topic(
                CONTROL,
                &[&format!(r"owner\.{owner}"), ALL_OWNERS, ALL_CONSUMERS, &reply()],
                &[&format!(r"owner\.{owner}"), ALL_OWNERS, PRESENCE, &reply()],
            ),
        ],
    }
}

/// A submitter's owner ids begin with the user's name, so it receives no other submitter's
/// outcomes.
fn submitter(user: &str) -> Rights {
    let id = format!("{user}-{TOKEN}");
    let (own, control) = (exclusive(OWNER_QUEUES, &id), exclusive(CONTROL_QUEUES, &id));
    let (light, tasks) = (light(), task_of(&id));
    Rights {
        configure: any_of(&[&own, &control, &light]),
        write: any_of(&[&name(TASKS), &name(DEAD), &name(CONTROL), &own, &control, &light]),
        read: any_of(&[&name(TASKS), &name(OUTCOMES), &name(DEAD), &name(CONTROL), &own, &control, &light]),
        topics: vec![
            topic(TASKS, &[&tasks], &[&tasks]),
            topic(OUTCOMES, &[], &[&id]),
            topic(DEAD, &["refused"], &[&format!(r"\*\.\*\.{id}")]),
            topic(CONTROL, &[ALL_CONSUMERS, &reply()], &[&format!(r"owner\.{id}"), ALL_OWNERS, PRESENCE]),
        ],
    }
}

fn topic(exchange: &'static str, write: &[&str], read: &[&str]) -> Topic {
    Topic { exchange, write: any_of(write), read: any_of(read) }
}

fn any_of(patterns: &[&str]) -> String {
    match patterns {
        [] => NOTHING.to_owned(),
        [ANYTHING] => ANYTHING.to_owned(),
        patterns => format!("^({})$", patterns.join("|")),
    }
}

fn name(name: &str) -> String {
    name.replace('.', r"\.")
}

fn queues(prefix: &str, rest: &str) -> String {
    name(prefix) + rest
}

/// Pattern for exclusive queues, which may be declared under another name; see [`Alias`].
///
/// [`Alias`]: crate::transport::Alias
fn exclusive(prefix: &str, id: &str) -> String {
    queues(prefix, id) + r"(\.[0-9]+)?"
}

/// Pattern for light queues, which are made when they are needed. Who makes one may read it, too:
/// the broker requires `read` to declare a queue with a dead-letter exchange.
fn light() -> String {
    queues(LIGHT_QUEUES, &format!(r"{ID}\.{ID}"))
}

fn task_of(owner: &str) -> String {
    format!(r"{ID}\.{ID}\.{owner}")
}

fn reply() -> String {
    format!(r"reply\.{ID}")
}
