//! `amqps://` to a real broker: its own authority, a client's certificate, and every way in which a
//! handshake fails, each told at once with what to do.

use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

use crate::broker::node::free_port;
use crate::broker::{self, Broker};
use crate::doctor;
use crate::world::{CONSUMER, PACKHORSE, PRODUCER, REDUCER, Run, World, assert_same};

/// Longer than a refused handshake takes on a busy machine, and shorter than the time for which a broker that
/// does not answer is waited for.
const AT_ONCE: Duration = Duration::from_secs(10);

/// An authority, and certificates of it as files in a world.
struct Authority<'w> {
    world: &'w World,
    name: &'static str,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl<'w> Authority<'w> {
    fn new(world: &'w World, name: &'static str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        world.file(format!("{name}.pem"), issuer.pem());
        Self { world, name, issuer }
    }

    /// A certificate for these names, as `NAME.pem` with `NAME.key`.
    fn issue(&self, name: &str, hosts: &[&str], until: i32) -> (PathBuf, PathBuf) {
        let mut params =
            CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).expect("names");
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let name = format!("{}-{name}", self.name);
        let key = self.world.file(format!("{name}.key"), key.serialize_pem());
        (self.world.file(format!("{name}.pem"), certificate.pem()), key)
    }
}

/// A broker that takes clients with a certificate of `good`, at 127.0.0.1 alone.
struct Secure {
    world: World,
    broker: Broker,
    port: u16,
}

impl Secure {
    async fn new() -> Self {
        let world = World::new();
        let good = Authority::new(&world, "good");
        let (certificate, key) = good.issue("broker", &["127.0.0.1"], 4000);
        good.issue("client", &["client"], 4000);
        Authority::new(&world, "other").issue("client", &["client"], 4000);
        let port = free_port();
        let file = |name: &str, path: PathBuf| format!("ssl_options.{name} = {}\n", path.display());
        let configuration = [
            format!("listeners.ssl.default = 127.0.0.1:{port}\n"),
            file("cacertfile", world.path("good.pem")),
            file("certfile", certificate),
            file("keyfile", key),
            "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n".to_owned(),
        ];
        Self { broker: broker::configured(configuration.concat()).await, world, port }
    }

    fn url(&self, scheme: &str, host: &str, port: u16) -> String {
        format!("{scheme}://guest:guest@{host}:{port}/{}", self.broker.vhost())
    }

    /// A command that speaks TLS with everything that it needs.
    fn command(&self, program: &str, args: &[&str]) -> Run {
        let run = self.world.command(program, args).env("PACKHORSE_BROKER", self.url("amqps", "127.0.0.1", self.port));
        let run = run.env("PACKHORSE_TLS_CA", "good.pem");
        run.env("PACKHORSE_TLS_CERT", "good-client.pem").env("PACKHORSE_TLS_KEY", "good-client.key")
    }

    /// That every role ends at once over this URL, with exit code 2 and these words.
    fn is_refused(&self, url: &str, files: &[&str], words: [&str; 2]) {
        let roles: [(&str, &[&str]); 3] =
            [(PACKHORSE, &["sha1", "t"]), (CONSUMER, &["--root", "t=t"]), (REDUCER, &["--state", "s"])];
        for (program, args) in roles {
            let began = Instant::now();
            let args = [args, files, &["--broker", url]].concat();
            let done = self.world.command(program, args).done().exits(2);
            assert!(began.elapsed() < AT_ONCE, "{program} took {:?}", began.elapsed());
            for words in words {
                assert!(done.err.contains(words), "{program} {url} {files:?}: {}", done.err);
            }
            assert!(!done.err.contains("trying again"), "{}", done.err);
            let complaints = done.err.lines().filter(|line| line.starts_with("packhorse: ")).count();
            assert_eq!(complaints, 1, "{}", done.err);
        }
    }
}

#[tokio::test]
async fn every_role_works_over_tls_with_a_clients_certificate_and_every_fault_is_told_at_once() {
    let secure = Secure::new().await;
    secure.world.tree("t", 300);
    let wanted = secure.world.sha1sum(&["t"]);
    let reducer = secure.command(REDUCER, &["--heartbeat", "1"]).start();
    let consumer = secure.command(CONSUMER, &["--root", "t=t", "--heartbeat", "1"]).start();
    secure.command(PRODUCER, &["sha1", "t", "--job", "j"]).done().exits(0);
    assert_same(&secure.command(REDUCER, &["--job", "j"]).done().exits(0).out, &wanted);
    let look = ["doctor", "--json", "--role", "reducer", "--root", "t=t"];
    let found = secure.command(PACKHORSE, &look).done();
    assert_eq!(doctor::troubles(&found), [""; 0]);
    let said = found.json().into_iter().find(|finding| finding["subject"] == "version").expect("it was greeted");
    assert!(said["what"].as_str().is_some_and(|what| what.starts_with("RabbitMQ ")), "{said}");
    let found = secure.command(PACKHORSE, &look).env("PACKHORSE_TLS_CA", "other.pem").done();
    assert_eq!(doctor::troubles(&found), ["TLS"]);
    // Flags beat the environment.
    let flags = ["sha1", "t", "--tls-ca", "good.pem", "--tls-cert", "good-client.pem", "--tls-key", "good-client.key"];
    let run = secure.command(PACKHORSE, &flags).env("PACKHORSE_TLS_CA", "other.pem").env("PACKHORSE_TLS_KEY", "none");
    assert_same(&run.done().exits(0).out, &wanted);
    consumer.stop().exits(0);
    reducer.stop().exits(0);

    let (tls, plain) = (secure.url("amqps", "127.0.0.1", secure.port), secure.broker.url().to_string());
    let plain = plain.replace(":***@", ":guest@");
    let client = ["--tls-cert", "good-client.pem", "--tls-key", "good-client.key"];
    let stranger = ["--tls-cert", "other-client.pem", "--tls-key", "other-client.key"];
    let with = |ca: &'static str, identity: &[&'static str]| [&["--tls-ca", ca], identity].concat();
    let refused = |url: &str, files: &[&str], words| secure.is_refused(url, files, words);
    refused(&tls, &with("other.pem", &client), ["signed by no authority that is trusted here", "--tls-ca FILE"]);
    refused(&tls, &client, ["signed by no authority that is trusted here", "--tls-ca FILE"]);
    let elsewhere = secure.url("amqps", "localhost", secure.port);
    refused(&elsewhere, &with("good.pem", &client), ["its certificate is not for localhost", "into the URL"]);
    refused(&tls, &with("good.pem", &[]), ["it wants a client's certificate", "--tls-cert FILE --tls-key FILE"]);
    refused(
        &tls,
        &with("good.pem", &stranger),
        ["does not accept the client's certificate", "authorities have signed"],
    );
    let to_tls_port = secure.url("amqp", "127.0.0.1", secure.port);
    refused(&to_tls_port, &[], ["does not answer in AMQP", "write amqps:// in the URL"]);
    let to_plain_port = plain.replace("amqp://", "amqps://");
    refused(&to_plain_port, &with("good.pem", &client), ["answers without TLS", "(usually 5671)"]);
    let expired = expired(&secure.world);
    refused(&expired, &with("late.pem", &[]), ["its certificate has expired", "clock"]);

    refused(&tls, &["--tls-ca", "none.pem"], ["cannot read none.pem (given by --tls-ca)", "No such file"]);
    refused(&tls, &["--tls-ca", "good-client.key"], ["does not hold a certificate in PEM", "BEGIN CERTIFICATE"]);
    let mixed = ["--tls-cert", "good-client.pem", "--tls-key", "other-client.key"];
    refused(&tls, &with("good.pem", &mixed), ["do not fit together", "its own key"]);
    refused(&tls, &["--tls-cert", "good-client.pem"], ["--tls-cert and --tls-key go together", "private key"]);
    refused(&plain, &["--tls-ca", "good.pem"], ["certificates are given", "write amqps://"]);
}

/// A server whose certificate has expired, for as long as the test runs: no broker is needed to see
/// that.
fn expired(world: &World) -> String {
    let (certificate, key) = Authority::new(world, "late").issue("broker", &["127.0.0.1"], 2021);
    let chain = vec![CertificateDer::from_pem_file(certificate).expect("it was just made")];
    let key = PrivateKeyDer::from_pem_file(key).expect("it was just made");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).expect("they fit"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut server = ServerConnection::new(Arc::clone(&config)).expect("a server");
            // The client breaks it off.
            let _ = server.complete_io(&mut stream);
            let _ = stream.flush();
        }
    });
    format!("amqps://127.0.0.1:{port}")
}
