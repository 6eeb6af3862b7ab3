//! Which broker: flag, then environment, then files that the environment names.

use std::path::PathBuf;
use std::sync::Arc;

use shared::system::environment;
use shared::transport::{BrokerUrl, InvalidUrl, Tls, Transport, connect};

use super::args::BrokerArgs;
use super::args::security::SecurityArgs;
use super::variable::{self, Given};
use super::{Failure, key_file};

/// What a file that the environment names must hold.
const SHAPE: &str = "The file must hold one line such as amqp://USER:PASSWORD@HOST:PORT/VHOST";

/// Read by every command.
const OURS: [&str; 1] = ["PACKHORSE_BROKER"];
/// Read by the role commands as well, in this order.
const ROLES: [&str; 4] = ["PACKHORSE_BROKER", "AMQP_URL", "RABBITMQ_URL", "CLOUDAMQP_URL"];

/// The broker for a command that can do without one.
pub fn optional(args: &BrokerArgs) -> Result<Option<BrokerUrl>, Failure> {
    find(args, &OURS)
}

/// The broker for a role, if one is given.
pub fn for_role(args: &BrokerArgs) -> Result<Option<BrokerUrl>, Failure> {
    find(args, &ROLES)
}

pub fn required(args: &BrokerArgs) -> Result<BrokerUrl, Failure> {
    for_role(args)?.ok_or_else(missing)
}

pub fn missing() -> Failure {
    Failure::usage("no broker: give --broker amqp://USER:PASSWORD@HOST:PORT/VHOST, or set PACKHORSE_BROKER")
}

fn find(args: &BrokerArgs, names: &[&str]) -> Result<Option<BrokerUrl>, Failure> {
    let Some(url) = find_url(args, names)? else { return Ok(None) };
    let url = trust(url, &args.security)?;
    match key_file_of(args) {
        Some(path) => Ok(Some(url.with_keys(key_file::read(&path)?))),
        None => Ok(Some(url)),
    }
}

/// The broker for a role, without the keys of its messages.
pub fn required_without_keys(args: &BrokerArgs) -> Result<BrokerUrl, Failure> {
    trust(find_url(args, &ROLES)?.ok_or_else(missing)?, &args.security)
}

/// The key file from the flag or the environment, if there is one.
pub fn key_file_of(args: &BrokerArgs) -> Option<PathBuf> {
    given(&args.security.key_file, "PACKHORSE_KEY_FILE")
}

/// Adds what the flags and the environment say about certificates.
fn trust(url: BrokerUrl, args: &SecurityArgs) -> Result<BrokerUrl, Failure> {
    let authorities = given(&args.tls_ca, "PACKHORSE_TLS_CA");
    let identity = match (given(&args.tls_cert, "PACKHORSE_TLS_CERT"), given(&args.tls_key, "PACKHORSE_TLS_KEY")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => return Err(Failure::usage("--tls-cert and --tls-key go together: a certificate and its private key")),
    };
    let tls = Tls { authorities, identity };
    if tls != Tls::default() && !url.is_tls() {
        return Err(Failure::usage(format!(
            "certificates are given, but {url} is not encrypted: write amqps:// in the URL, or leave them out"
        )));
    }
    Ok(url.with_tls(tls))
}

/// A file that a flag names, else the environment.
fn given(flag: &Option<PathBuf>, name: &str) -> Option<PathBuf> {
    flag.clone().or_else(|| environment::path(name)).filter(|path| !path.as_os_str().is_empty())
}

fn find_url(args: &BrokerArgs, names: &[&str]) -> Result<Option<BrokerUrl>, Failure> {
    if let Some(url) = &args.broker {
        return url.trim().parse().map(Some).map_err(Failure::usage);
    }
    for name in names {
        if let Some(given) = variable::text_or_file(name)? {
            return parse(&given).map(Some);
        }
    }
    Ok(None)
}

fn parse(given: &Given) -> Result<BrokerUrl, Failure> {
    let wrong = |error: InvalidUrl| match &given.file {
        // The text of a file is not shown: the variable may name a wrong file, with other secrets.
        Some(_) => format!("{given} does not hold a broker's URL: {}. {SHAPE}", error.problem()),
        None => format!("{given}: {error}"),
    };
    given.text.trim().parse().map_err(|error| Failure::usage(wrong(error)))
}

/// Connects, and gives up after --connect-timeout if the user set it.
pub async fn reach(url: &BrokerUrl, args: &BrokerArgs) -> Result<Arc<dyn Transport>, Failure> {
    Ok(connect(url, args.connect_timeout).await?)
}
