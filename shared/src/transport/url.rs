//! A broker's URL, parsed.
//!
//! This is the only parser of broker URLs. The URL shown to people, the user that this process logs
//! in as, and the address that the client library connects to all come from it, so they cannot
//! differ.
//!
//! It is stricter than the standards for URLs. A password with an unencoded `/`, `?`, `#` or `@`
//! would end at different places for different parsers, and a piece of it could be sent to a name
//! server as a host.

use std::fmt;
use std::net::Ipv6Addr;

/// Bytes of a virtual host's name, at most: AMQP puts the length into one byte.
const VHOST_BYTES_MAX: usize = 255;

/// Default of the user's name and of the password: RabbitMQ's built-in user.
pub(super) const GUEST: &str = "guest";

/// A broker's URL, parsed and decoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) is_tls: bool,
    pub(crate) user: String,
    /// Only for the client library; never shown.
    pub(crate) password: String,
    /// A name or an address; an IPv6 address without its brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) vhost: String,
    pub(crate) query: Query,
    /// The URL as given, without the password.
    shown: String,
}

/// Query parameters that the client library gets. Unknown parameters are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Query {
    /// Seconds.
    pub(crate) heartbeat: Option<u16>,
    pub(crate) frame_max: Option<u32>,
    pub(crate) channel_max: Option<u16>,
    pub(crate) auth_mechanism: Option<String>,
}

/// What is wrong with a URL, without any part that may be a password.
type Problem = String;

const UNENCODED: &str = "in user name, password and virtual host, a character with a meaning of its own must be \
                         percent-encoded: / as %2F, ? as %3F, # as %23, @ as %40";

impl Parts {
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        if text.chars().any(char::is_control) {
            return Err("it holds a line break or another control character".to_owned());
        }
        let (scheme, rest) = text.split_once("://").ok_or("it does not begin with amqp:// or amqps://")?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "amqp" => false,
            "amqps" => true,
            _ => return Err("it does not begin with amqp:// or amqps://".to_owned()),
        };
        let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // A `#` or `@` here comes from an unencoded user name or password, or from a virtual host,
        // where it can be encoded as well.
        if tail.contains(['#', '@']) {
            return Err(UNENCODED.to_owned());
        }
        let (userinfo, place) = match authority.rsplit_once('@') {
            Some((userinfo, place)) => (Some(userinfo), place),
            None => (None, authority),
        };
        let (user, password) = credentials(userinfo.unwrap_or_default())?;
        let (host, port) = host_and_port(place)?;
        let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
        let or_guest = |text: String| if text.is_empty() { GUEST.to_owned() } else { text };
        Ok(Self {
            is_tls,
            user: or_guest(user),
            password: or_guest(password),
            host,
            port: port.unwrap_or(if is_tls { 5671 } else { 5672 }),
            vhost: virtual_host(path)?,
            query: Query::read(query)?,
            shown: match userinfo.and_then(|userinfo| userinfo.split_once(':')) {
                Some((user, _)) => format!("{scheme}://{user}:***@{place}{tail}"),
                None => text.to_owned(),
            },
        })
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// The user's name and the password. The first colon ends the name.
fn credentials(userinfo: &str) -> Result<(String, String), Problem> {
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (user, password) = (decode("the user name", user)?, decode("the password", password)?);
    // On the wire NUL ends a name or a password.
    if [&user, &password].iter().any(|text| text.contains('\0')) {
        return Err("user name and password cannot hold the character NUL (%00)".to_owned());
    }
    Ok((user, password))
}

fn host_and_port(place: &str) -> Result<(String, Option<u16>), Problem> {
    let (host, rest) = match place.strip_prefix('[') {
        Some(inside) => {
            let (address, rest) = inside.split_once(']').ok_or("the ] after the host's address is missing")?;
            let address: Ipv6Addr = address.parse().map_err(|_| "the text in [ ] is not an IPv6 address")?;
            (address.to_string(), rest)
        }
        None => {
            let (host, rest) = place.split_at(place.find(':').unwrap_or(place.len()));
            let host = decode("the host", host)?;
            let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
            match host.as_str() {
                "" => return Err("it names no host".to_owned()),
                host if !host.chars().all(fits) => {
                    return Err("its host is neither a name nor an address".to_owned());
                }
                _ => (host, rest),
            }
        }
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            let port: u16 = digits.parse().unwrap_or(0);
            Some(port).filter(|&port| port > 0).map(Some).ok_or("its port is not a number from 1 to 65535")?
        }
        // The text is not shown: if the @ and the host are missing, it is the password.
        _ => {
            return Err("the text after the host is not a port (write an IPv6 address in [ ], and USER:PASSWORD@ \
                        before the host)"
                .to_owned());
        }
    };
    Ok((host, port))
}

/// A slash alone would mean a virtual host with an empty name; users mean the default one.
fn virtual_host(path: &str) -> Result<String, Problem> {
    let vhost = decode("the virtual host", path.strip_prefix('/').unwrap_or_default())?;
    match vhost.len() {
        0 => Ok("/".to_owned()),
        1..=VHOST_BYTES_MAX => Ok(vhost),
        bytes => Err(format!("its virtual host's name has {bytes} bytes, and AMQP allows {VHOST_BYTES_MAX}")),
    }
}

impl Query {
    /// If a key is given twice, the first value counts.
    fn read(text: &str) -> Result<Self, Problem> {
        let mut query = Self::default();
        for pair in text.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(key, value)?;
            match key {
                "heartbeat" => fill(&mut query.heartbeat, number(key, &value)?),
                "frame_max" => fill(&mut query.frame_max, number(key, &value)?),
                "channel_max" => fill(&mut query.channel_max, number(key, &value)?),
                "auth_mechanism" => fill(&mut query.auth_mechanism, value),
                _ => {}
            }
        }
        Ok(query)
    }
}

fn fill<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(key: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|error| format!("{key}={value} in it: {error}"))
}

/// Decodes each `%XX` to its byte.
fn decode(what: &str, text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = rest.split_at_checked(2).and_then(|(digits, after)| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let byte = digit(digits[0])? * 16 + digit(digits[1])?;
            Some((u8::try_from(byte).ok()?, after))
        });
        let (byte, after) = digits.ok_or_else(|| {
            format!("{what} in it has a % without two hexadecimal digits after it; write % itself as %25")
        })?;
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| format!("{what} in it is not UTF-8 once it is decoded"))
}

/// A text that is not a broker's URL, made safe to show: any part that may be a password is left
/// out.
pub(super) fn redact(text: &str) -> String {
    // Further lines of a file may hold anything, so only the first line is shown.
    let line = text.split(|c: char| c.is_control()).next().unwrap_or_default();
    let (scheme, rest) = line.split_at(line.find("://").map_or(0, |at| at + 3));
    // The last @ of the whole text, because a password may hold a line break.
    let (userinfo, place) = text[scheme.len()..].rsplit_once('@').unwrap_or(("", ""));
    let shown = if userinfo.contains(':') {
        let user = userinfo.split(|c: char| c == ':' || c.is_control()).next().unwrap_or_default();
        let place = place.split(|c: char| c.is_control()).next().unwrap_or_default();
        format!("{scheme}{user}:***@{place}")
    } else {
        // Without a host, the text in place of the port may be the password.
        match rest.split_once(':') {
            Some((host, port)) if !rest.starts_with('[') && !is_port(port) => format!("{scheme}{host}:***"),
            _ => line.to_owned(),
        }
    };
    if line.len() < text.len() { format!("{shown} ...") } else { shown }
}

fn is_port(text: &str) -> bool {
    let digits = text.split(['/', '?', '#']).next().unwrap_or_default();
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Parts {
        Parts::read(text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn names_passwords_and_virtual_hosts_are_decoded() {
        let parts = read("amqp://sub%2Dmit:p%2Fw%40%23@ho%73t:1/%2fa%20b?heartbeat=3&unknown=1&heartbeat=4");
        assert_eq!((parts.user.as_str(), parts.password.as_str()), ("sub-mit", "p/w@#"));
        assert_eq!((parts.host.as_str(), parts.port, parts.vhost.as_str()), ("host", 1, "/a b"));
        assert_eq!(parts.query, Query { heartbeat: Some(3), ..Query::default() });
        assert_eq!(parts.to_string(), "amqp://sub%2Dmit:***@ho%73t:1/%2fa%20b?heartbeat=3&unknown=1&heartbeat=4");
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        for (text, user, host, port, vhost) in [
            ("amqp://h", "guest", "h", 5672, "/"),
            ("AMQPS://h/", "guest", "h", 5671, "/"),
            ("amqp://h//", "guest", "h", 5672, "/"),
            ("amqp://@h:/v", "guest", "h", 5672, "v"),
            ("amqp://:pw@h?heartbeat=1", "guest", "h", 5672, "/"),
            ("amqp://u@[::1]:5673/v/w", "u", "::1", 5673, "v/w"),
            ("amqp://u:p@10.0.0.1", "u", "10.0.0.1", 5672, "/"),
            // A `@` before the last one, or a `:` after the first, is unambiguous without encoding.
            ("amqp://u@corp:a@b:c@h", "u@corp", "h", 5672, "/"),
        ] {
            let parts = read(text);
            let found = (parts.user.as_str(), parts.host.as_str(), parts.port, parts.vhost.as_str());
            assert_eq!(found, (user, host, port, vhost), "{text}");
        }
        assert_eq!(read("amqp://u@corp:a@b:c@h").password, "a@b:c");
    }

    #[test]
    fn what_two_readers_could_read_in_two_ways_is_refused_and_the_password_is_not_shown() {
        for text in [
            "amqp://u:p@s3c#s/w@host",
            "amqp://u:s3c/w@host",
            "amqp://u:s3c?w@host/v",
            "amqp://u:s3c#w@host",
            "amqp://u:s3c@host/v@w",
            "amqp://u:s3c@host/v#f",
            "amqp://u:s3c@host?heartbeat=@",
            "amqp://u:s3c",
            "amqp://u:s3c/",
            "amqp://u:s3c@",
            "amqp://u:s3c@/v",
            "amqp://u:s3c@:5672/v",
            "amqp://u:s3c@ho st",
            "amqp://u:s3c@h/v\namqp://u:s3c@i",
            "amqp://u:s3\nc@h",
            "amqp://u:s3c%@h",
            "amqp://u:s3c%zz@h",
            "amqp://u:s3c%ff@h",
            "amqp://u:s3c%00@h",
            "amqp://u:s3c@h:0",
            "amqp://u:s3c@h:65536",
            "amqp://u:s3c@h:+1",
            "amqp://u:s3c@h:1:2",
            "amqp://u:s3c@::1",
            "amqp://u:s3c@[::1",
            "amqp://u:s3c@[h]",
            "amqp://u:s3c@[::1]x",
            "amqp://u:s3c@h/%ff",
            "amqp://u:s3c@h?channel_max=no",
            "http://u:s3c@h",
            "u:s3c@h",
        ] {
            let problem = Parts::read(text).map(drop).expect_err(text);
            let shown = redact(text);
            assert!(!problem.contains("s3c") && !shown.contains("s3") && !shown.contains("s/w"), "{problem} {shown}");
        }
        assert!(Parts::read(&format!("amqp://h/{}", "v".repeat(256))).is_err());
        assert!(Parts::read(&format!("amqp://h/{}", "v".repeat(255))).is_ok());
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for (text, shown) in [
            ("localhost:5672/v", "localhost:5672/v"),
            ("amqp://[::1", "amqp://[::1"),
            ("amqp://u:p@s#s/w@host/v", "amqp://u:***@host/v"),
            ("amqp://u@h/x@y", "amqp://u@h/x@y"),
            ("amqp://h/a\x1b[31m", "amqp://h/a ..."),
        ] {
            assert_eq!(redact(text), shown);
        }
    }

    fn encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    proptest! {
        /// Encoding every character gives back the original texts.
        #[test]
        fn what_is_encoded_comes_back(user in "[^\0]{1,9}", password in "[^\0]{1,9}", vhost in ".{1,9}") {
            let text = format!("amqp://{}:{}@h/{}", encoded(&user), encoded(&password), encoded(&vhost));
            let parts = read(&text);
            prop_assert_eq!((parts.user, parts.password, parts.vhost), (user, password, vhost));
        }

        /// An accepted URL has one host, which is shown and is no part of the password.
        #[test]
        fn the_host_that_is_shown_is_the_host_that_is_used(text in "amqp://[ua:@/?#%.]{0,6}[ua:@/?#]{0,6}") {
            if let Ok(parts) = Parts::read(&text) {
                let shown = parts.to_string();
                let authority = shown["amqp://".len()..].split(['/', '?', '#']).next().unwrap_or_default();
                let place = authority.rsplit('@').next().unwrap_or_default();
                prop_assert_eq!(place.split(':').next(), Some(parts.host.as_str()), "{}", text);
                prop_assert_eq!(shown.matches('@').count() > 0, authority.contains('@'), "{}", text);
            }
        }
    }
}
