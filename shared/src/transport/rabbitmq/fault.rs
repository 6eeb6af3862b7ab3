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
    pub(in super::super) const INTERNAL_ERROR: u16 = 541;
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
    /// The connection or the channel is gone.
    Lost(String),
    /// No answer came in time. It may be one queue that hangs, so the connection stays: if it is dead,
    /// its heartbeats end it.
    Silent(String),
    /// Waiting does not mend it.
    Fatal(TransportError),
}

impl Fault {
    /// What it means for the queue or exchange `name`.
    pub(super) fn about(self, action: &str, name: &str) -> Self {
        let (code, cause) = match self {
            Self::Refused { code, text } => (code, text),
            Self::Lost(cause) => return Self::Lost(format!("{action} {name}: {cause}")),
            Self::Silent(cause) => return Self::Silent(format!("{action} {name}: {cause}")),
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

    /// The same of a request to which every connection that lives gets an answer.
    pub(super) fn of_the_connection(self) -> Self {
        if let Self::Silent(cause) = self { Self::Lost(cause) } else { self }
    }

    pub(super) fn is_refusal(&self, with: u16) -> bool {
        matches!(self, Self::Refused { code, .. } if *code == with)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { text, .. } | Self::Lost(text) | Self::Silent(text) => f.write_str(text),
            Self::Fatal(error) => error.fmt(f),
        }
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            // An operator or a stopping broker closed the connection, or the broker is at fault itself, as
            // with a queue that is just starting: nothing that we asked for is wrong.
            ErrorKind::ProtocolError(told)
                if ![code::CONNECTION_FORCED, code::INTERNAL_ERROR].contains(&told.get_id()) =>
            {
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
        Err(_) => Err(Fault::Silent(format!("no answer within {} s", RPC_TIMEOUT.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

    fn fault(kind: AMQPErrorKind) -> Fault {
        lapin::Error::from(ErrorKind::ProtocolError(AMQPError::new(kind, "said".into()))).into()
    }

    #[test]
    fn what_is_not_our_mistake_is_tried_again() {
        for kind in [AMQPHardError::CONNECTIONFORCED, AMQPHardError::INTERNALERROR] {
            assert!(matches!(fault(AMQPErrorKind::Hard(kind)), Fault::Lost(_)));
        }
        assert!(fault(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)).is_refusal(code::NOT_FOUND));
        assert!(fault(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)).is_refusal(code::NOT_ALLOWED));
    }
}
