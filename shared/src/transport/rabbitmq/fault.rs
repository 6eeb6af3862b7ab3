//! What a request to the broker can end in, and which of it is worth another try.

use std::future::Future;

use lapin::ErrorKind;

use crate::limits::RPC_TIMEOUT;
use crate::transport::TransportError;

/// AMQP reply codes that mean something of their own here.
pub(super) mod code {
    pub(in super::super) const CONNECTION_FORCED: u16 = 320;
    pub(in super::super) const ACCESS_REFUSED: u16 = 403;
    pub(in super::super) const NOT_FOUND: u16 = 404;
    pub(in super::super) const RESOURCE_LOCKED: u16 = 405;
    pub(in super::super) const PRECONDITION_FAILED: u16 = 406;
    pub(in super::super) const NOT_ALLOWED: u16 = 530;
}

/// Why a request did not succeed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The broker understood and said no: the same request gets the same answer.
    Refused {
        /// AMQP's reply code.
        code: u16,
        /// The broker's words.
        text: String,
    },
    /// The connection or the channel is gone, or no answer came in time.
    Lost(String),
    /// Waiting does not mend it.
    Fatal(TransportError),
}

impl Fault {
    /// What it means for the queue or exchange `name`.
    pub(super) fn about(self, action: &str, name: &str) -> Self {
        let (code, cause) = match self {
            Self::Refused { code, text } => (code, text),
            Self::Lost(cause) => return Self::Lost(format!("{action} {name}: {cause}")),
            Self::Fatal(_) => return self,
        };
        let name = name.to_owned();
        Self::Fatal(match code {
            code::PRECONDITION_FAILED => TransportError::Mismatch { name, cause },
            code::RESOURCE_LOCKED => TransportError::Occupied { name },
            code::ACCESS_REFUSED => TransportError::Forbidden { name, cause },
            _ => TransportError::Other { action: format!("{action} {name}"), cause },
        })
    }

    pub(super) fn is_refusal(&self, with: u16) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == with)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { text, .. } | Self::Lost(text) => f.write_str(text),
            Self::Fatal(error) => error.fmt(f),
        }
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            // An operator or a stopping broker closed the connection: nothing that we asked for is wrong.
            ErrorKind::ProtocolError(told) if told.get_id() != code::CONNECTION_FORCED => {
                Self::Refused { code: told.get_id(), text: told.get_message().to_string() }
            }
            // The system's own words: people know them better than the library's.
            ErrorKind::IOError(cause) => Self::Lost(cause.to_string()),
            _ => Self::Lost(error.to_string()),
        }
    }
}

/// Awaits an answer of the broker, for a limited time: the client library itself waits for ever.
pub(super) async fn rpc<T>(request: impl Future<Output = lapin::Result<T>>) -> Result<T, Fault> {
    match tokio::time::timeout(RPC_TIMEOUT, request).await {
        Ok(answer) => answer.map_err(Fault::from),
        Err(_) => Err(Fault::Lost(format!("no answer within {} s", RPC_TIMEOUT.as_secs()))),
    }
}
