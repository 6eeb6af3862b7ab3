//! Reaches a broker step by step: its host's address, its port, and its greeting, which says what
//! kind of server it is. The client library takes the same steps, but reports neither which step
//! failed nor the greeting.

use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use lapin::types::parsing::parse_field_table;
use lapin::types::{AMQPValue, FieldTable};
use tokio::time::timeout;

use super::super::address::Address;
use super::super::tls;
use crate::transport::{BrokerUrl, TransportError};

/// Time limit for each step.
const STEP: Duration = Duration::from_secs(5);

/// A client's protocol header: AMQP 0-9-1.
const HELLO: &[u8] = b"AMQP\x00\x00\x09\x01";

/// Bytes of a greeting, at most: it is a table of some ten short entries.
const GREETING_BYTES_MAX: u32 = 64 * 1024;

/// The server's properties, as it sends them before the login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub product: String,
    /// Empty if the server does not send it.
    pub version: String,
}

/// The last step that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// The host name has no address.
    UnknownHost {
        host: String,
        cause: String,
    },
    /// No server accepts a connection on the port.
    NoListener {
        host: String,
        port: u16,
        cause: String,
    },
    /// A server accepts the connection, but sends nothing or does not speak AMQP.
    NoGreeting {
        host: String,
        port: u16,
        /// What the server sent instead.
        cause: String,
    },
    Greeted(Server),
}

/// Tries to reach the broker.
///
/// # Errors
/// The URL cannot be read.
pub async fn reach(url: &BrokerUrl) -> Result<Reach, TransportError> {
    let address = Address::new(url)?;
    let (host, port) = (address.uri.authority.host.clone(), address.uri.authority.port);
    let target = (host.clone(), port);
    let knocked = tokio::task::spawn_blocking(move || knock(&target));
    let knocked = timeout(STEP * 2, knocked).await.unwrap_or_else(|_| Ok(Err(Silence::Port(timed_out()))));
    match knocked.unwrap_or_else(|error| Err(Silence::Port(error.to_string()))) {
        Ok(()) => {}
        Err(Silence::Host(cause)) => return Ok(Reach::UnknownHost { host, cause }),
        Err(Silence::Port(cause)) => return Ok(Reach::NoListener { host, port, cause }),
    }
    let greeted = timeout(STEP, greet(&address)).await.unwrap_or_else(|_| Err(timed_out()));
    Ok(match greeted {
        Ok(server) => Reach::Greeted(server),
        Err(cause) => Reach::NoGreeting { host, port, cause },
    })
}

fn timed_out() -> String {
    format!("no answer within {} s", STEP.as_secs())
}

enum Silence {
    Host(String),
    Port(String),
}

/// Connects to the port. One address of the host that accepts is enough.
fn knock((host, port): &(String, u16)) -> Result<(), Silence> {
    let addresses = (host.as_str(), *port).to_socket_addrs().map_err(|error| Silence::Host(error.to_string()))?;
    let mut last = "it has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, STEP) {
            Ok(_) => return Ok(()),
            Err(error) => last = format!("{address}: {error}"),
        }
    }
    Err(Silence::Port(last))
}

async fn greet(address: &Address) -> Result<Server, String> {
    let stream = tls::stream(address).await.map_err(|fault| fault.to_string())?;
    exchange_words(stream).await.map_err(|error| error.to_string())
}

async fn exchange_words(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Server> {
    stream.write_all(HELLO).await?;
    stream.flush().await?;
    let mut head = [0; 7];
    stream.read_exact(&mut head).await?;
    let [1, 0, 0, size @ ..] = head else { return Err(strange(&head)) };
    let size = u32::from_be_bytes(size);
    if size > GREETING_BYTES_MAX {
        return Err(strange(&head));
    }
    let mut body = vec![0; size as usize];
    stream.read_exact(&mut body).await?;
    understand(&body).ok_or_else(|| strange(&body))
}

/// Shows the start of an answer that is not AMQP: most other servers answer with a line of text.
fn strange(bytes: &[u8]) -> io::Error {
    let text: String = String::from_utf8_lossy(bytes).chars().take(40).collect();
    io::Error::other(format!("it answers {text:?}, which is not AMQP 0-9-1"))
}

/// Parses `connection.start`: class 10, method 10, two bytes of version, and the server's
/// properties.
fn understand(body: &[u8]) -> Option<Server> {
    let table = body.strip_prefix(&[0, 10, 0, 10])?.get(2..)?;
    let (_, table) = parse_field_table(table).ok()?;
    Some(Server { product: text(&table, "product"), version: text(&table, "version") })
}

fn text(table: &FieldTable, name: &str) -> String {
    match table.inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_understood_and_nothing_else() {
        // A table with one entry: `product` is the long string `RabbitMQ`.
        let table = [b"\x07product".as_slice(), b"S\0\0\0\x08RabbitMQ"].concat();
        let start = [b"\0\x0a\0\x0a\0\x09".as_slice(), &(table.len() as u32).to_be_bytes(), &table].concat();
        let server = understand(&start).expect("a greeting");
        assert_eq!((server.product.as_str(), server.version.as_str()), ("RabbitMQ", ""));
        assert_eq!(understand(b"SSH-2.0-OpenSSH"), None);
        assert_eq!(understand(&start[..20]), None);
    }

    #[tokio::test]
    async fn other_servers_are_told_by_what_they_answer() {
        for said in [b"HTTP/1.1 400 Bad Request\r\n".as_slice(), b"AMQP\x00\x01\x00\x00", b"\x01\0\0\xff\xff\xff\xff"] {
            let both = futures_util::io::AllowStdIo::new(Scripted(said));
            let error = exchange_words(both).await.expect_err("no greeting");
            assert!(error.to_string().contains("which is not AMQP"), "{error}");
        }
    }

    struct Scripted(&'static [u8]);

    impl io::Read for Scripted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            io::Read::read(&mut self.0, buffer)
        }
    }

    impl io::Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
