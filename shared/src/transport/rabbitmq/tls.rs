//! Makes a connection, over TLS if the URL says so, and explains a failed handshake.
//!
//! At the first connect a failed handshake is an error at once: waiting does not fix a certificate.
//! Later connects are tried again like any lost connection, and read the certificate files again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, ConfigBuilder, RootCertStore};
use tokio::sync::watch;
use tokio::time::timeout;

use super::address::Address;
use super::fault::{Fault, rpc};
use super::stream;
use crate::transport::{Tls, TransportError};

/// How long the broker may take to send the reason why it closes the connection. In TLS 1.3 it
/// checks a client's certificate after the handshake is over for the client.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Connects, with frames of at most `frame_bytes` unless the URL sets another limit.
pub(super) async fn connect(
    address: &Address,
    frame_bytes: Option<u32>,
    properties: ConnectionProperties,
) -> Result<Connection, Fault> {
    let mut uri = address.uri.clone();
    uri.query.frame_max = uri.query.frame_max.or(frame_bytes);
    let config = config_of(address)?;
    let (asked, header) = watch::channel(false);
    let dial = async move |uri: AMQPUri, _| {
        let stream = stream::open(&uri, config.clone()).await?;
        let _ = header.clone().wait_for(|&asked| asked).await;
        Ok(stream)
    };
    let connected = rpc(async move {
        // The client library (4.12) starts its thread before it requests the connection. If the
        // stream ends in between, the request never gets an answer. So the thread gets its stream
        // only after the request.
        let (connected, _) = tokio::join!(
            biased;
            Connection::connector(uri.clone(), stream::runtime(), dial, properties),
            async { asked.send_replace(true) },
        );
        match &connected {
            Err(error) if is_broken_off(error) => match unsaid(address, uri).await {
                Some(problem) => Ok(Err(problem)),
                None => told(connected),
            },
            _ => told(connected),
        }
    })
    .await?;
    connected.map_err(|problem| Fault::Fatal(problem.tell(address)))
}

/// Finds the reason for which the broker closed the connection. The reason may have been lost
/// because this side was sending its first bytes, so this connects again and sends none.
async fn unsaid(address: &Address, uri: AMQPUri) -> Option<Problem> {
    if uri.scheme == AMQPScheme::AMQP {
        return speaks_tls(uri).await.then_some(Problem::NotAmqp);
    }
    let mut stream = stream(address).await.ok()?;
    match timeout(LAST_WORDS, stream.read(&mut [0])).await {
        Ok(Err(error)) => tls_error(&error.into()).cloned().map(Problem::Tls),
        _ => None,
    }
}

/// A stream to the broker on which no AMQP bytes have been sent yet.
pub(super) async fn stream(address: &Address) -> Result<impl AsyncRead + AsyncWrite + Unpin + use<>, Fault> {
    Ok(stream::open(&address.uri, config_of(address)?).await.map_err(lapin::Error::from)?)
}

fn is_broken_off(error: &lapin::Error) -> bool {
    use std::io::ErrorKind as Io;
    matches!(error.kind(), ErrorKind::IOError(cause)
        if matches!(cause.kind(), Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof))
}

/// Whether the server speaks TLS: a handshake gets as far as its certificate. No certificate is
/// trusted here.
async fn speaks_tls(uri: AMQPUri) -> bool {
    let Ok(config) = trusting(RootCertStore::empty()) else { return false };
    match stream::open(&uri, Some(Arc::new(config.with_no_client_auth()))).await {
        Ok(_) => true,
        Err(error) => matches!(tls_error(&error.into()), Some(rustls::Error::InvalidCertificate(_))),
    }
}

/// Why the two sides cannot talk at all.
enum Problem {
    Tls(rustls::Error),
    /// The answer was not AMQP.
    NotAmqp,
}

fn told(connected: lapin::Result<Connection>) -> lapin::Result<Result<Connection, Problem>> {
    let error = match connected {
        Ok(connection) => return Ok(Ok(connection)),
        Err(error) => error,
    };
    match (error.kind(), tls_error(&error)) {
        (_, Some(tls)) => Ok(Err(Problem::Tls(tls.clone()))),
        (ErrorKind::ParsingError(_), None) => Ok(Err(Problem::NotAmqp)),
        _ => Err(error),
    }
}

fn tls_error(error: &lapin::Error) -> Option<&rustls::Error> {
    match error.kind() {
        ErrorKind::IOError(cause) => cause.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// The settings of TLS for a broker; `None` for one without TLS.
fn config_of(address: &Address) -> Result<Option<Arc<ClientConfig>>, Fault> {
    if address.uri.scheme != AMQPScheme::AMQPS {
        return Ok(None);
    }
    let host = &address.uri.authority.host;
    if ServerName::try_from(host.as_str()).is_err() {
        return Err(Fault::Fatal(TransportError::Tls {
            problem: format!("no certificate can be for the host {host} of {}", address.shown()),
            advice: "Write a name, or an address in its usual form, such as 127.0.0.1 or [::1]".to_owned(),
        }));
    }
    config(&address.tls).map(Some).map_err(Fault::Fatal)
}

/// The trusted authorities, and the client's certificate.
fn config(tls: &Tls) -> Result<Arc<ClientConfig>, TransportError> {
    let config = trusting(authorities(tls)?).map_err(|error| TransportError::Tls {
        problem: format!("TLS cannot be used here: {error}"),
        advice: "Report this: the program was built without its ciphers".to_owned(),
    })?;
    let Some((certificate, key)) = &tls.identity else { return Ok(Arc::new(config.with_no_client_auth())) };
    let chain = certificates(certificate, "--tls-cert")?;
    let secret = PrivateKeyDer::from_pem_slice(&read(key, "--tls-key")?)
        .map_err(|error| unusable(key, "--tls-key", "an unencrypted private key", &error))?;
    config.with_client_auth_cert(chain, secret).map(Arc::new).map_err(|error| TransportError::Tls {
        problem: format!("{} and {} do not fit together: {error}", certificate.display(), key.display()),
        advice: "--tls-cert takes the client's certificate first and its chain after it, --tls-key its own key"
            .to_owned(),
    })
}

fn trusting(authorities: RootCertStore) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities))
}

/// The authorities of the file given by `--tls-ca`, or the system's.
fn authorities(tls: &Tls) -> Result<RootCertStore, TransportError> {
    let mut store = RootCertStore::empty();
    if let Some(path) = &tls.authorities {
        store.add_parsable_certificates(certificates(path, "--tls-ca")?);
        let advice = "Name a file with certificates of authorities: --tls-ca FILE".to_owned();
        let problem = format!("{} holds no certificate of an authority", path.display());
        return if store.is_empty() { Err(TransportError::Tls { problem, advice }) } else { Ok(store) };
    }
    let found = rustls_native_certs::load_native_certs();
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let cause = found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
        return Err(TransportError::Tls {
            problem: format!("the system has no certificate authorities that can be used: {cause}"),
            advice: "Install them (package ca-certificates), or name the broker's: --tls-ca FILE".to_owned(),
        });
    }
    Ok(store)
}

fn certificates(path: &Path, flag: &str) -> Result<Vec<CertificateDer<'static>>, TransportError> {
    let text = read(path, flag)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(unusable(path, flag, "a certificate", &PemError::NoItemsFound)),
        Err(error) => Err(unusable(path, flag, "a certificate", &error)),
    }
}

fn read(path: &Path, flag: &str) -> Result<Vec<u8>, TransportError> {
    std::fs::read(path).map_err(|error| TransportError::Tls {
        problem: format!("cannot read {} (given by {flag}): {error}", path.display()),
        advice: "Check the path and the file's permissions; the file is read at each connect".to_owned(),
    })
}

fn unusable(path: &Path, flag: &str, what: &str, error: &PemError) -> TransportError {
    TransportError::Tls {
        problem: format!("{} (given by {flag}) does not hold {what} in PEM: {error}", path.display()),
        advice: format!(
            "It begins with a line like -----BEGIN {}-----",
            if flag == "--tls-key" { "PRIVATE KEY" } else { "CERTIFICATE" }
        ),
    }
}

impl Problem {
    fn tell(self, address: &Address) -> TransportError {
        let (url, host) = (address.shown(), &address.uri.authority.host);
        let port = address.uri.authority.port;
        let (what, advice) = match &self {
            Self::NotAmqp if address.uri.scheme == AMQPScheme::AMQPS => (
                format!("port {port} answers with TLS, but not in AMQP"),
                "Use the broker's port for AMQP over TLS, usually 5671".to_owned(),
            ),
            Self::NotAmqp => (
                format!("port {port} does not answer in AMQP"),
                "If it is the broker's TLS port, write amqps:// in the URL; plain AMQP is usually on port 5672"
                    .to_owned(),
            ),
            Self::Tls(rustls::Error::InvalidCertificate(fault)) => certificate(fault, host),
            Self::Tls(rustls::Error::AlertReceived(alert)) => refused(*alert, address.tls.identity.is_some()),
            Self::Tls(rustls::Error::InvalidMessage(_)) => (
                format!("port {port} answers without TLS"),
                "Use the broker's TLS port (usually 5671), or write amqp:// if the connection need not be encrypted"
                    .to_owned(),
            ),
            Self::Tls(error) => (error.to_string(), "Check the broker's TLS listener".to_owned()),
        };
        TransportError::Tls { problem: format!("cannot connect to the broker at {url}: {what}"), advice }
    }
}

/// This side does not accept the broker's certificate.
fn certificate(fault: &CertificateError, host: &str) -> (String, String) {
    use CertificateError as Bad;
    match fault {
        Bad::UnknownIssuer => (
            "its certificate is signed by no authority that is trusted here".to_owned(),
            "Name the file with its authority's certificate: --tls-ca FILE, or PACKHORSE_TLS_CA".to_owned(),
        ),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => (
            format!("its certificate is not for {host}{}", names(fault)),
            "Write the name that the certificate has into the URL, or give the broker a certificate for this one"
                .to_owned(),
        ),
        Bad::Expired | Bad::ExpiredContext { .. } => {
            ("its certificate has expired".to_owned(), "Renew it, and check this machine's clock".to_owned())
        }
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
            ("its certificate is not valid yet".to_owned(), "Check this machine's clock and the broker's".to_owned())
        }
        other => (format!("its certificate is not accepted: {other}"), "Give the broker another one".to_owned()),
    }
}

fn names(fault: &CertificateError) -> String {
    match fault {
        CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let plain = presented.iter().map(|name| plain_name(name)).collect::<Vec<_>>();
            format!(" but for {}", plain.join(", "))
        }
        _ => String::new(),
    }
}

/// The TLS library tells a certificate's names in the form `DnsName("localhost")`.
fn plain_name(told: &str) -> &str {
    let inside = told.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(told);
    inside.trim_matches('"')
}

/// The broker does not accept the client's certificate, or requires one.
fn refused(alert: AlertDescription, has_identity: bool) -> (String, String) {
    use AlertDescription as Alert;
    let certificates = [
        Alert::CertificateRequired,
        Alert::BadCertificate,
        Alert::UnsupportedCertificate,
        Alert::CertificateRevoked,
        Alert::CertificateExpired,
        Alert::CertificateUnknown,
        Alert::UnknownCA,
        Alert::AccessDenied,
        Alert::HandshakeFailure,
    ];
    match (certificates.contains(&alert), has_identity) {
        (true, false) => (
            format!("it wants a client's certificate ({alert:?})"),
            "Give one: --tls-cert FILE --tls-key FILE, or PACKHORSE_TLS_CERT and PACKHORSE_TLS_KEY".to_owned(),
        ),
        (true, true) => (
            format!("it does not accept the client's certificate ({alert:?})"),
            "Give one that its authorities have signed and that has not expired: --tls-cert FILE --tls-key FILE"
                .to_owned(),
        ),
        (false, _) => (
            format!("it refused the TLS handshake ({alert:?})"),
            "Check which versions and ciphers its TLS listener takes".to_owned(),
        ),
    }
}
