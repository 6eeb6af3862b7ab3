//! What can go wrong with a transport, told to people: what happened, to which queue, what to do.

use std::fmt;

use crate::protocol::limits::MESSAGE_BYTES_MAX;

/// A message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// A queue is full and refused it: wait and try again, or give the work to someone else.
    #[error("a queue for key {key:?} on exchange {exchange:?} is full and refused the message")]
    Refused {
        /// The exchange.
        exchange: String,
        /// The routing key.
        key: String,
    },
    /// The message is larger than it may be: the same message is refused again, a smaller one may not be.
    #[error("{0}")]
    TooLarge(Oversize),
    /// The transport cannot go on.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A message is larger than it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oversize {
    /// Bytes of its body, as it was to be sent.
    pub bytes: usize,
    /// The words in which the broker stated its limit. `None` where it is our own,
    /// [`crate::protocol::limits::MESSAGE_BYTES_MAX`].
    pub words: Option<String>,
}

impl fmt::Display for Oversize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes;
        match &self.words {
            Some(words) => {
                write!(f, "the broker takes no message of {bytes} bytes: {words} (max_message_size in rabbitmq.conf)")
            }
            None => write!(f, "a message of {bytes} bytes is over the limit of {MESSAGE_BYTES_MAX} bytes"),
        }
    }
}

/// A transport cannot go on; waiting does not mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The URL cannot be read.
    #[error("{url} is not a broker's URL: {cause}. Use amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps://)")]
    Url {
        /// Without its password.
        url: String,
        /// What is wrong.
        cause: String,
    },
    /// No connection within the time that the user allowed.
    #[error("cannot reach the broker at {url}: {cause}. Is it running, and are host and port right?")]
    Unreachable {
        /// Without its password.
        url: String,
        /// The last error.
        cause: String,
    },
    /// Wrong user or password.
    #[error(
        "the broker at {url} refused the credentials of user {user:?}: {cause}. \
         Check user and password in --broker or PACKHORSE_BROKER"
    )]
    Credentials {
        /// Without its password.
        url: String,
        /// The user's name, decoded.
        user: String,
        /// The broker's words.
        cause: String,
    },
    /// No such virtual host, or no right to it.
    #[error(
        "the broker at {url} refused the virtual host {vhost:?}: {cause}. \
         Create it (rabbitmqctl add_vhost), give the user rights on it, or name another at the end of the URL"
    )]
    VirtualHost {
        /// Without its password.
        url: String,
        /// The virtual host.
        vhost: String,
        /// The broker's words.
        cause: String,
    },
    /// TLS does not come about: a certificate is not trusted, or its file cannot be used.
    #[error("{problem}. {advice}")]
    Tls {
        /// What happened, at which broker or with which file.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// Exists with other arguments.
    #[error(
        "{name} exists on the broker with other arguments than this version uses: {cause}. \
         If nothing else uses it, delete it (rabbitmqctl delete_queue), or use another virtual host"
    )]
    Mismatch {
        /// The queue or exchange.
        name: String,
        /// The broker's words.
        cause: String,
    },
    /// The broker's permissions forbid it.
    #[error(
        "the broker does not let this user use {name}: {cause}. \
         Its permissions are set with rabbitmqctl set_permissions"
    )]
    Forbidden {
        /// The queue or exchange.
        name: String,
        /// The broker's words.
        cause: String,
    },
    /// An exclusive queue of this name belongs to another connection.
    #[error("{name} belongs to another process that is running. Stop it first, or use another name")]
    Occupied {
        /// The queue.
        name: String,
    },
    /// The transport was closed by this process.
    #[error("the transport is closed")]
    Closed,
    /// Something else.
    #[error("{action} failed: {cause}")]
    Other {
        /// What was tried.
        action: String,
        /// The broker's words.
        cause: String,
    },
}
