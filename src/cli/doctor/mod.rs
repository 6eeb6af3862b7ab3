//! `doctor`: checks a set-up, and prints what is wrong and what to do, one line for each finding.
//!
//! Each module observes in one function and judges in others, which do no I/O. At the broker, the
//! command changes nothing that belongs to others, and leaves nothing there.
//!
//! # Layout
//! - `finding`: one finding, printed as one line
//! - `local`: this machine: roots, open files, the reducer's store, keys
//! - `broker`: the checks at the broker, in their order
//! - `server`: the connection to the broker, its version, limits and alarms
//! - `rights`: the permissions that each role needs
//! - `layout`: exchanges and queues
//! - `policies`: what the operator's policies do to queues named like ours
//! - `peers`: which owners and consumers answer, with their versions and clocks

mod broker;
mod finding;
mod layout;
mod local;
mod peers;
mod policies;
mod rights;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use reducer::service::command_owner_id;
use shared::protocol::definitions::Role;
use shared::protocol::id::{Class, OwnerId};
use shared::protocol::workload::files::Root;

use self::finding::{Finding, Level};
use super::args::doctor::DoctorArgs;
use super::{Exit, Failure, roots, term};

/// How long each connection may take where --connect-timeout does not say.
const PATIENCE: Duration = Duration::from_secs(10);

struct Scope {
    roles: Vec<Role>,
    owner: OwnerId,
    roots: Vec<(String, PathBuf)>,
    /// The user in the broker's URL.
    user: String,
    /// An owner id like that of a command of this user.
    command: OwnerId,
    ack_timeout: Duration,
    patience: Duration,
}

impl Scope {
    fn new(args: &DoctorArgs, user: &str) -> Result<Self, Failure> {
        let roots = args.roots.iter().map(|text| roots::named(text));
        let roots = roots.map(|root| root.map(|(name, dir)| (name.to_owned(), dir.to_owned())));
        let all = vec![Role::Producer, Role::Consumer, Role::Reducer];
        let asked: Vec<Role> = args.roles.iter().map(|&role| role.into()).collect();
        Ok(Self {
            roles: if asked.is_empty() { all } else { asked },
            owner: args.owner.clone(),
            roots: roots.collect::<Result<_, Failure>>()?,
            user: user.to_owned(),
            command: command_owner_id(user),
            ack_timeout: args.ack_timeout,
            patience: args.broker.connect_timeout.unwrap_or(PATIENCE),
        })
    }

    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn classes(&self) -> impl Iterator<Item = Class> {
        self.roots.iter().map(|(name, _)| Root::class_of(name))
    }
}

/// A role's name, on the command line and in findings.
fn name_of(role: Role) -> &'static str {
    match role {
        Role::Producer => "producer",
        Role::Consumer => "consumer",
        Role::Reducer => "reducer",
        Role::Submitter => "submitter",
    }
}

pub async fn run(args: DoctorArgs) -> Result<Exit, Failure> {
    let url = super::broker::required_without_keys(&args.broker)?;
    let scope = Scope::new(&args, url.user())?;
    let (mut findings, keys) = local::examine(&scope, &args)?;
    findings.extend(broker::examine(&scope, &url, keys).await);
    let line = if args.json { Finding::json } else { Finding::line };
    let lines: String = findings.iter().map(|finding| line(finding) + "\n").collect();
    term::print(lines.as_bytes())?;
    let fails = findings.iter().any(|finding| finding.level == Level::Fail);
    Ok(if fails { Exit::ItemsFailed } else { Exit::Success })
}

#[cfg(test)]
impl Scope {
    /// A scope for tests of the functions that judge.
    fn of(roles: &[Role], roots: &[&str]) -> Self {
        Self {
            roles: roles.to_vec(),
            owner: OwnerId::from_name(b"main"),
            roots: roots.iter().map(|&name| (name.to_owned(), "/".into())).collect(),
            user: "u".to_owned(),
            command: OwnerId::from_name(b"u-0123456789abcdef"),
            ack_timeout: PATIENCE,
            patience: PATIENCE,
        }
    }
}
