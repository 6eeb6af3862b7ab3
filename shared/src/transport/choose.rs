//! The choice of a transport by URL, and URLs that never show their password.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::{Sealed, Transport, TransportError, embedded, rabbitmq};
use crate::seal::Keyring;

/// Where the broker is: `amqp://`, `amqps://`, or `embedded:` for one inside this process; and how
/// the way there is secured.
///
/// Neither `Debug` nor `Display` shows the password.
#[derive(Clone)]
pub struct BrokerUrl {
    url: String,
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
#[error("{shown:?} is not a broker's URL: use amqp://USER:PASSWORD@HOST:PORT/VHOST (or amqps://)")]
pub struct InvalidUrl {
    shown: String,
}

impl BrokerUrl {
    /// The transport inside this process.
    pub fn embedded() -> Self {
        Self::new("embedded:")
    }

    fn new(url: &str) -> Self {
        Self { url: url.to_owned(), tls: Tls::default(), keys: Arc::default() }
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
        self.url.starts_with("amqps://")
    }

    pub(crate) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The whole URL, password included: for the client library alone.
    pub(crate) fn secret(&self) -> &str {
        &self.url
    }

    /// The user's name, as spelt in the URL.
    pub fn user(&self) -> &str {
        match self.authority().rsplit_once('@') {
            Some((userinfo, _)) => userinfo.split(':').next().unwrap_or_default(),
            None => "guest",
        }
    }

    fn authority(&self) -> &str {
        let rest = self.url.split_once("://").map_or("", |(_, rest)| rest);
        &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
    }
}

impl FromStr for BrokerUrl {
    type Err = InvalidUrl;
    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let url = Self::new(text);
        let known = text == "embedded:" || ["amqp://", "amqps://"].iter().any(|scheme| text.starts_with(scheme));
        let has_host = text == "embedded:" || !url.authority().is_empty();
        if known && has_host { Ok(url) } else { Err(InvalidUrl { shown: url.to_string() }) }
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What stands between the first colon after the scheme and the last @ is a password,
        // whatever else may be wrong with the URL.
        let start = self.url.find("://").map_or(0, |at| at + 3);
        let (scheme, rest) = self.url.split_at(start);
        match rest.rsplit_once('@') {
            Some((userinfo, host)) => match userinfo.split_once(':') {
                Some((user, _)) => write!(f, "{scheme}{user}:***@{host}"),
                None => f.write_str(&self.url),
            },
            None => f.write_str(&self.url),
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
    if url.secret() == "embedded:" {
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
