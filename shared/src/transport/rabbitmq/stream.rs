//! A stream to the broker, plain or over TLS, in the form of the client library.
//!
//! The client library's own TLS needs a reader of PKCS#12 key stores and some 50 more crates. The
//! library accepts any runtime, so it gets Tokio with streams that may use TLS already.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use async_rs::{Runtime, Tokio};
use futures_rustls::TlsConnector;
use futures_rustls::client::TlsStream;
use futures_util::Stream as Items;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::tcp::{AMQPUriTcpExt, AsyncTcpStream};
use lapin::uri::{AMQPScheme, AMQPUri};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

type Tcp = <Tokio as Reactor>::TcpStream;

/// A connection to a broker on which no AMQP bytes have been sent yet.
pub(super) enum Stream {
    Plain(Tcp),
    Tls(Box<TlsStream<Tcp>>),
}

/// Opens a stream to the host and port of `uri`, over TLS if `tls` is given.
pub(super) async fn open(uri: &AMQPUri, tls: Option<Arc<ClientConfig>>) -> io::Result<AsyncTcpStream<Stream>> {
    let plain = AMQPUri { scheme: AMQPScheme::AMQP, ..uri.clone() };
    // Without TLS in the client library there is no other variant.
    let AsyncTcpStream::Plain(tcp) = plain.connect_async(&Runtime::new(Tokio::current())).await? else {
        return Err(io::Error::other("the client library has made a stream of its own"));
    };
    let Some(config) = tls else { return Ok(AsyncTcpStream::Plain(Stream::Plain(tcp))) };
    let host = ServerName::try_from(uri.authority.host.clone()).map_err(io::Error::other)?;
    let stream = TlsConnector::from(config).connect(host, tcp).await?;
    Ok(AsyncTcpStream::Plain(Stream::Tls(Box::new(stream))))
}

/// Tokio, with streams that may use TLS.
pub(super) fn runtime() -> Runtime<Kit> {
    Runtime::new(Kit(Tokio::current()))
}

#[derive(Debug, Clone)]
pub(super) struct Kit(Tokio);

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, future: F) -> Task<Self::Task<T>> {
        self.0.spawn(future)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(work)
    }
}

impl Reactor for Kit {
    type TcpStream = Stream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Items<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connected = self.0.tcp_connect_addr(address);
        async { connected.await.map(Stream::Plain) }
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_close(cx),
            Self::Tls(stream) => Pin::new(stream).poll_close(cx),
        }
    }
}
