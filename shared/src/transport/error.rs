//! Errors of transports, as texts for people: what happened, to which queue, and what to do.

use std::fmt;

use crate::protocol::limits::MESSAGE_BYTES_MAX;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// A full queue refused the message. Wait and try again, or give the work to another queue.
    #[error("a queue for key {key:?} on exchange {exchange:?} is full and refused the message")]
    Refused { exchange: String, key: String },
    /// The message is too large. The same message will be refused again; a smaller one may be
    /// accepted.
    #[error("{0}")]
    TooLarge(Oversize),
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// The size of a message that is too large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oversize {
    /// Bytes of the body as it would be sent.
    pub bytes: usize,
    /// The broker's own words about its limit. `None` if the limit is Packhorse's,
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

/// An error that waiting does not fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    #[error("{url} is not a broker's URL: {cause}. Use amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps://)")]
    Url {
        /// Without its password.
        url: String,
        cause: String,
    },
    /// There was no connection within the time that the user allowed.
    #[error("cannot reach the broker at {url}: {cause}. Is it running, and are host and port right?")]
    Unreachable {
        /// Without its password.
        url: String,
        cause: String,
    },
    #[error(
        "the broker at {url} refused the credentials of user {user:?}: {cause}. \
         Check user and password in --broker or PACKHORSE_BROKER"
    )]
    Credentials {
        /// Without its password.
        url: String,
        /// Decoded.
        user: String,
        cause: String,
    },
    /// The virtual host does not exist, or the user has no right to it.
    #[error(
        "the broker at {url} refused the virtual host {vhost:?}: {cause}. \
         Create it (rabbitmqctl add_vhost), give the user rights on it, or name another at the end of the URL"
    )]
    VirtualHost {
        /// Without its password.
        url: String,
        vhost: String,
        cause: String,
    },
    /// The TLS handshake fails: a certificate is not trusted, or its file cannot be used.
    #[error("{problem}. {advice}")]
    Tls {
        /// What happened, at which broker or with which file.
        problem: String,
        advice: String,
    },
    /// A queue or exchange exists with other arguments.
    #[error(
        "{name} exists on the broker with other arguments than this version uses: {cause}. \
         If nothing else uses it, delete it (rabbitmqctl delete_queue), or use another virtual host"
    )]
    Mismatch { name: String, cause: String },
    #[error(
        "the broker does not let this user use {name}: {cause}. \
         Its permissions are set with rabbitmqctl set_permissions"
    )]
    Forbidden { name: String, cause: String },
    /// An exclusive queue of this name belongs to another connection.
    #[error("{name} belongs to another process that is running. Stop it first, or use another name")]
    Occupied { name: String },
    /// This process closed the transport.
    #[error("the transport is closed")]
    Closed,
    #[error("{action} failed: {cause}")]
    Other { action: String, cause: String },
}
