//! How a request to the broker can fail, and which failures are worth another try.

use std::future::Future;

use lapin::ErrorKind;

use crate::protocol::limits::RPC_TIMEOUT;
use crate::protocol::path::printable;
use crate::transport::TransportError;

/// AMQP reply codes that this module treats differently.
pub(super) mod code {
    pub(in super::super) const CONNECTION_FORCED: u16 = 320;
    pub(in super::super) const ACCESS_REFUSED: u16 = 403;
    pub(in super::super) const NOT_FOUND: u16 = 404;
    pub(in super::super) const RESOURCE_LOCKED: u16 = 405;
    pub(in super::super) const PRECONDITION_FAILED: u16 = 406;
    pub(in super::super) const NOT_ALLOWED: u16 = 530;
    pub(in super::super) const INTERNAL_ERROR: u16 = 541;
}

#[derive(Debug)]
pub(super) enum Fault {
    /// The broker refused the request, and would refuse the same request again.
    Refused {
        /// AMQP's reply code.
        code: u16,
        text: String,
    },
    /// The connection or the channel was lost.
    Lost(String),
    /// No answer came in time. One queue may hang, so the connection is kept; if the connection is
    /// dead, its heartbeats end it.
    Silent(String),
    /// The connection has no channel number left.
    NoChannel,
    /// Waiting does not fix this.
    Fatal(TransportError),
}

impl Fault {
    /// Adds the action and the name of the queue or exchange.
    pub(super) fn about(self, action: &str, name: &str) -> Self {
        let (code, cause) = match self {
            Self::Refused { code, text } => (code, text),
            Self::Lost(cause) => return Self::Lost(format!("{action} {name}: {cause}")),
            Self::Silent(cause) => return Self::Silent(format!("{action} {name}: {cause}")),
            Self::NoChannel => return Self::Lost(format!("{action} {name}: {self}")),
            Self::Fatal(_) => return self,
        };
        let (owned, action) = (name.to_owned(), format!("{action} {name}"));
        Self::Fatal(match code {
            code::PRECONDITION_FAILED if is_inequivalent(&cause) => TransportError::Mismatch { name: owned, cause },
            code::RESOURCE_LOCKED => TransportError::Occupied { name: owned },
            // The broker uses the same code if another consumer has the queue exclusively.
            code::ACCESS_REFUSED if !cause.contains("in exclusive use") => {
                TransportError::Forbidden { name: owned, cause }
            }
            _ => TransportError::Other { action, cause },
        })
    }

    /// For requests that every live connection answers: silence means a lost connection.
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
            Self::NoChannel => f.write_str("the connection has no channel left"),
            Self::Fatal(error) => error.fmt(f),
        }
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        match error.kind() {
            // An operator or a stopping broker closed the connection, or the broker has an internal
            // error, as with a queue that is just starting. The request itself is not wrong.
            ErrorKind::ProtocolError(told)
                if ![code::CONNECTION_FORCED, code::INTERNAL_ERROR].contains(&told.get_id()) =>
            {
                // The text becomes part of a sentence, so it loses its full stop.
                let text = printable(told.get_message().as_str().trim_end_matches('.'));
                Self::Refused { code: told.get_id(), text }
            }
            ErrorKind::ChannelsLimitReached => Self::NoChannel,
            // The system's text, which people know better than the library's.
            ErrorKind::IOError(cause) => Self::Lost(cause.to_string()),
            _ => Self::Lost(printable(&error.to_string())),
        }
    }
}

/// Whether a refused precondition is about the arguments of an existing queue or exchange. The
/// broker uses the same code for an unknown argument, a late ack and a message that is too large.
pub(super) fn is_inequivalent(text: &str) -> bool {
    text.contains("inequivalent arg")
}

/// Awaits an answer of the broker with a time limit; the client library itself waits for ever.
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

    fn about(code: u16, text: &str) -> TransportError {
        match (Fault::Refused { code, text: text.to_owned() }).about("declaring queue", "q") {
            Fault::Fatal(error) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_other_arguments_are_a_mismatch_and_whatever_else_is_refused_has_the_brokers_words() {
        let inequivalent = "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' in vhost '/': \
                            received '2' but current is '1'";
        let error = about(code::PRECONDITION_FAILED, inequivalent);
        assert!(matches!(&error, TransportError::Mismatch { .. }), "{error:?}");
        for words in [
            "PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'q' in vhost '/'",
            "PRECONDITION_FAILED - queue 'q' in vhost '/' in use",
            "another 406",
        ] {
            let error = about(code::PRECONDITION_FAILED, words).to_string();
            assert!(error == format!("declaring queue q failed: {words}"), "{error}");
        }
        let alone = about(code::ACCESS_REFUSED, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use");
        assert!(matches!(&alone, TransportError::Other { .. }), "{alone:?}");
        let forbidden = about(code::ACCESS_REFUSED, "ACCESS_REFUSED - configure access to queue 'q' refused");
        assert!(matches!(&forbidden, TransportError::Forbidden { .. }), "{forbidden:?}");
    }

    #[test]
    fn the_brokers_words_move_no_cursor() {
        let error = AMQPError::new(AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED), "vhost \u{1b}[31m\n".into());
        let fault = Fault::from(lapin::Error::from(ErrorKind::ProtocolError(error)));
        assert!(!fault.to_string().contains(char::is_control), "{fault}");
    }
}
