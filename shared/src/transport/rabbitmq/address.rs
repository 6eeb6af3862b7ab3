//! A broker's address in the form of the client library, and the meaning of a refused connection.

use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};

use super::fault::{Fault, code};
use crate::transport::url::Parts;
use crate::transport::{BrokerUrl, Tls, TransportError};

/// Seconds between AMQP heartbeats unless the URL sets another value. The broker proposes 60, with
/// which a dead peer stays unnoticed for two minutes: noticing takes two to three heartbeats. With
/// 8 it takes less than three of a consumer's heartbeats to its owners, so by then the broker has
/// redelivered the dead consumer's prefetched tasks, resent ones included.
const HEARTBEAT_SECONDS: u16 = 8;

/// The address to connect to, with the credentials.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) uri: AMQPUri,
    pub(super) tls: Tls,
    shown: String,
}

impl Address {
    pub(super) fn new(url: &BrokerUrl) -> Result<Self, TransportError> {
        let wrong = |cause: &str| TransportError::Url { url: url.to_string(), cause: cause.to_owned() };
        let parts = url.parts().ok_or_else(|| wrong("it names no host"))?;
        let uri = uri(parts).map_err(|cause| wrong(&cause))?;
        Ok(Self { uri, tls: url.tls().clone(), shown: url.to_string() })
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The error for a fault while connecting; `None` if waiting may fix it.
    pub(super) fn refusal(&self, fault: &Fault) -> Option<TransportError> {
        let url = self.shown.clone();
        let (code, text) = match fault {
            Fault::Refused { code, text } => (code, text),
            Fault::Fatal(error) => return Some(error.clone()),
            Fault::Lost(_) | Fault::Silent(_) | Fault::NoChannel => return None,
        };
        match *code {
            code::ACCESS_REFUSED => {
                let user = self.uri.authority.userinfo.username.clone();
                Some(TransportError::Credentials { url, user, cause: text.clone() })
            }
            // The broker uses the same code for its limits on connections; those may go away.
            code::NOT_ALLOWED if !(text.contains("limit (") && text.ends_with("is reached")) => {
                Some(TransportError::VirtualHost { url, vhost: self.uri.vhost.clone(), cause: text.clone() })
            }
            _ => None,
        }
    }

    pub(super) fn unreachable(&self, fault: &Fault) -> TransportError {
        TransportError::Unreachable { url: self.shown.clone(), cause: fault.to_string() }
    }
}

/// Builds the client library's address from the parsed URL. The library itself parses no URL.
fn uri(parts: &Parts) -> Result<AMQPUri, String> {
    let query = &parts.query;
    let auth_mechanism = query.auth_mechanism.as_deref().map(str::parse).transpose()?;
    Ok(AMQPUri {
        scheme: if parts.is_tls { AMQPScheme::AMQPS } else { AMQPScheme::AMQP },
        authority: AMQPAuthority {
            userinfo: AMQPUserInfo { username: parts.user.clone(), password: parts.password.clone() },
            host: parts.host.clone(),
            port: parts.port,
        },
        vhost: parts.vhost.clone(),
        query: AMQPQueryString {
            frame_max: query.frame_max,
            channel_max: query.channel_max,
            heartbeat: query.heartbeat.or(Some(HEARTBEAT_SECONDS)),
            // The client library ignores it. Callers of this module set their own time limits.
            connection_timeout: None,
            auth_mechanism,
        },
    })
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
        let user = address("amqp://sub%2Dmit:p%2Fw@h").uri.authority.userinfo;
        assert_eq!((user.username.as_str(), user.password.as_str()), ("sub-mit", "p/w"));
        assert!(Address::new(&"amqp://h?auth_mechanism=guess".parse().expect("a URL")).is_err());
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
        assert!(address.refusal(&refused("NOT_ALLOWED - vhost limit (1) not found")).is_some());
        assert!(address.refusal(&refused("NOT_ALLOWED - connection limit (1) is reached")).is_none());
    }

    #[test]
    fn whom_the_broker_refuses_is_told_as_the_broker_knows_them() {
        let refused = Fault::Refused { code: code::ACCESS_REFUSED, text: "Login was refused".to_owned() };
        let error = address("amqp://sub%2Dmit%1b:s3cret@h").refusal(&refused).expect("an error").to_string();
        assert!(error.contains(r#"of user "sub-mit\u{1b}": Login was refused"#), "{error}");
        assert!(!error.contains("s3cret") && !error.contains('\u{1b}'), "{error}");
    }
}
