//! The choice of a transport by URL, and URLs that never show their password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::url::{GUEST, Parts, redact};
use super::{Sealed, Transport, TransportError, embedded, rabbitmq};
use crate::protocol::seal::Keyring;

/// The URL of the transport inside this process.
const EMBEDDED: &str = "embedded:";

/// Where the broker is: `amqp://`, `amqps://`, or `embedded:` for one inside this process; and how
/// the way there is secured.
///
/// Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub struct BrokerUrl {
    /// `None` of the one inside this process.
    parts: Option<Parts>,
    tls: Tls,
    keys: Arc<Keyring>,
}

/// What `amqps://` needs beyond the URL, as PEM files. They are read at each connect, so a renewed
/// certificate counts from the next one on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The only authorities whose certificates are trusted; the system's if `None`.
    pub authorities: Option<PathBuf>,
    /// Who this client is: a certificate with its chain, and its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A text is no broker's URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not a broker's URL: {problem}. Use amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps://)")]
pub struct InvalidUrl {
    /// Without what may be a password.
    shown: String,
    problem: String,
}

impl InvalidUrl {
    /// What is wrong, without the text: where that comes from a file, it may be anything.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl BrokerUrl {
    /// The transport inside this process.
    pub fn embedded() -> Self {
        Self::new(None)
    }

    fn new(parts: Option<Parts>) -> Self {
        Self { parts, tls: Tls::default(), keys: Arc::default() }
    }

    /// The same with other trust than the system's, or with a client's certificate.
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls, ..self }
    }

    /// The same with keys: what is published is sealed, and only what they open is acted on.
    pub fn with_keys(self, keys: Keyring) -> Self {
        Self { keys: Arc::new(keys), ..self }
    }

    /// Whether connections are encrypted.
    pub fn is_tls(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.is_tls)
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// What the URL says; `None` of the one inside this process.
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

/// Connects. An absent broker is tried again with back-off, and said so once on stderr, until
/// `patience` has passed (for ever if `None`); wrong credentials or a wrong virtual host are errors
/// at once.
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
