//! A broker's address as the client library wants it, and what a refused connection means.

use lapin::uri::AMQPUri;

use super::fault::{Fault, code};
use crate::transport::{BrokerUrl, Tls, TransportError};

/// Seconds between heartbeats unless the URL says otherwise. The broker proposes 60, with which a
/// dead peer goes unnoticed for two minutes. It takes two to three of them to notice one: with 8 that is
/// less than three of the signs of life that owners get, and what a dead consumer holds in its
/// prefetch, resent tasks too, is delivered again by then.
const HEARTBEAT_SECONDS: u16 = 8;

/// Where to connect, and as whom.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) uri: AMQPUri,
    pub(super) tls: Tls,
    shown: String,
    user: String,
}

impl Address {
    pub(super) fn new(url: &BrokerUrl) -> Result<Self, TransportError> {
        let text = url.secret();
        let mut uri: AMQPUri = text.parse().map_err(|cause| TransportError::Url { url: url.to_string(), cause })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        // A slash at the end names a virtual host without a name, which is never meant.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        // The parser takes only names for hosts and would connect to localhost instead.
        if let Some(host) = ipv6_literal(text) {
            host.clone_into(&mut uri.authority.host);
        }
        Ok(Self { uri, tls: url.tls().clone(), shown: url.to_string(), user: url.user().to_owned() })
    }

    /// The URL without its password.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The error that a fault in connecting means, unless waiting may mend it.
    pub(super) fn refusal(&self, fault: &Fault) -> Option<TransportError> {
        let url = self.shown.clone();
        let (code, text) = match fault {
            Fault::Refused { code, text } => (code, text),
            Fault::Fatal(error) => return Some(error.clone()),
            Fault::Lost(_) | Fault::Silent(_) => return None,
        };
        match *code {
            code::ACCESS_REFUSED => Some(TransportError::Credentials { url, user: self.user.clone() }),
            // The same code stands for limits on the number of connections, which pass.
            code::NOT_ALLOWED if !text.contains("limit") => {
                Some(TransportError::VirtualHost { url, vhost: self.uri.vhost.clone(), cause: text.clone() })
            }
            _ => None,
        }
    }

    pub(super) fn unreachable(&self, fault: &Fault) -> TransportError {
        TransportError::Unreachable { url: self.shown.clone(), cause: fault.to_string() }
    }
}

fn ipv6_literal(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    host.strip_prefix('[')?.split(']').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(url: &str) -> Address {
        Address::new(&url.parse().expect("a broker's URL")).expect("readable")
    }

    #[test]
    fn defaults_fill_what_the_url_leaves_open() {
        let plain = address("amqp://h");
        assert_eq!((plain.uri.vhost.as_str(), plain.uri.query.heartbeat), ("/", Some(8)));
        let slash = address("amqp://h/?heartbeat=3");
        assert_eq!((slash.uri.vhost.as_str(), slash.uri.query.heartbeat), ("/", Some(3)));
        assert_eq!(address("amqp://h/%2fa").uri.vhost, "/a");
    }

    #[test]
    fn ipv6_hosts_are_taken_as_they_are() {
        assert_eq!(address("amqp://u:p@[::1]:5673/v").uri.authority.host, "::1");
        assert_eq!(address("amqp://[::1]").uri.authority.host, "::1");
        assert_eq!(address("amqp://10.0.0.1:1").uri.authority.host, "10.0.0.1");
    }

    #[test]
    fn a_connection_limit_is_waited_for_and_a_wrong_virtual_host_is_not() {
        let refused = |text: &str| Fault::Refused { code: code::NOT_ALLOWED, text: text.to_owned() };
        let address = address("amqp://u:p@h/v");
        assert!(address.refusal(&refused("NOT_ALLOWED - vhost v not found")).is_some());
        assert!(address.refusal(&refused("NOT_ALLOWED - connection limit (1) is reached")).is_none());
    }
}
