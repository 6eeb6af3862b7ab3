//! Chooses a transport by URL. URLs never show their password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::url::{GUEST, Parts, redact};
use super::{Sealed, Transport, TransportError, embedded, rabbitmq};
use crate::protocol::seal::Keyring;

/// The URL of the embedded transport.
const EMBEDDED: &str = "embedded:";

/// The broker's URL and how the connection is secured: `amqp://`, `amqps://`, or `embedded:` for a
/// broker inside this process.
///
/// Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub struct BrokerUrl {
    /// `None` for `embedded:`.
    parts: Option<Parts>,
    tls: Tls,
    keys: Arc<Keyring>,
}

/// Settings of `amqps://` beyond the URL: paths of PEM files. They are read at each connect, so a
/// renewed certificate is used from the next connect on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Authorities to trust; the system's if `None`.
    pub authorities: Option<PathBuf>,
    /// The client's certificate with its chain, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not a broker's URL: {problem}. Use amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps://)")]
pub struct InvalidUrl {
    /// Any part that may be a password is left out.
    shown: String,
    problem: String,
}

impl InvalidUrl {
    /// The problem without the URL's text. A text from a file may contain anything, so callers show
    /// only this.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl BrokerUrl {
    pub fn embedded() -> Self {
        Self::new(None)
    }

    fn new(parts: Option<Parts>) -> Self {
        Self { parts, tls: Tls::default(), keys: Arc::default() }
    }

    /// Sets the trusted authorities and the client's certificate.
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// Sets the keys: published messages are sealed, and only messages that these keys open are
    /// trusted.
    pub fn with_keys(self, keys: Keyring) -> Self {
        Self { keys: Arc::new(keys), ..self }
    }

    pub fn is_tls(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.is_tls)
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The parts of the URL; `None` for `embedded:`.
    pub(crate) fn parts(&self) -> Option<&Parts> {
        self.parts.as_ref()
    }

    /// The virtual host's name, decoded.
    pub fn vhost(&self) -> &str {
        self.parts.as_ref().map_or("/", |parts| &parts.vhost)
    }

    /// The user's name, decoded.
    pub fn user(&self) -> &str {
        self.parts.as_ref().map_or(GUEST, |parts| &parts.user)
    }
}

impl FromStr for BrokerUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        if text == EMBEDDED {
            return Ok(Self::embedded());
        }
        match Parts::read(text) {
            Ok(parts) => Ok(Self::new(Some(parts))),
            Err(problem) => Err(InvalidUrl { shown: redact(text), problem }),
        }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.parts {
            Some(parts) => parts.fmt(f),
            None => f.write_str(EMBEDDED),
        }
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Connects. While the broker cannot be reached, this tries again with back-off until `patience`
/// has passed (for ever if `None`) and logs the first failure. Wrong credentials or a wrong virtual
/// host are errors at once.
pub async fn connect(url: &BrokerUrl, patience: Option<Duration>) -> Result<Arc<dyn Transport>, TransportError> {
    if url.parts.is_none() {
        return Ok(Arc::new(embedded::Embedded::new()));
    }
    let rabbitmq = rabbitmq::RabbitMq::connect(url, patience).await?;
    Ok(Arc::new(Sealed::new(Arc::new(rabbitmq), Arc::clone(&url.keys))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for url in ["amqp://u:s3cret@h/v", "amqp://u:s3c@ret@h", "amqps://u:s3cret@h:1/%2f?heartbeat=3"] {
            let url: BrokerUrl = url.parse().expect("valid");
            assert!(!format!("{url} {url:?}").contains("s3c"), "{url}");
            assert_eq!(url.user(), "u");
        }
        let url: BrokerUrl = "amqp://sub%2Dmit:s3cret@h".parse().expect("valid");
        assert_eq!((url.user(), url.to_string().as_str()), ("sub-mit", "amqp://sub%2Dmit:***@h"));
        let error = "http://u:s3cret@h".parse::<BrokerUrl>().expect_err("not a broker");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn only_brokers_urls_pass() {
        for bad in ["", "amqp:", "amqp://", "localhost", "http://h"] {
            assert!(bad.parse::<BrokerUrl>().is_err(), "{bad:?}");
        }
    }
}
