//! `doctor`: what is wrong with a set-up, and what to do, one line for each finding.
//!
//! What is found follows from what was seen: the modules look in one function and judge in others,
//! which do no I/O. Nothing of others is changed at the broker, and nothing is left there.
//!
//! # Layout
//! - `finding`: one line
//! - `local`: this machine: roots, open files, the reducer's store, keys
//! - `broker`: the questions to the broker, in their order
//! - `server`: the way to the broker, what it is, its limits and alarms
//! - `rights`: what each role has to be allowed
//! - `layout`: exchanges and queues
//! - `policies`: what an operator's policies do to what is ours
//! - `peers`: who is alive, in which version, with which clock

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

/// What is looked for.
struct Scope {
    roles: Vec<Role>,
    owner: OwnerId,
    roots: Vec<(String, PathBuf)>,
    /// The broker's user.
    user: String,
    /// The id that a command of this user could have.
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

/// A role's name, as it is given and shown.
fn name_of(role: Role) -> &'static str {
    match role {
        Role::Producer => "producer",
        Role::Consumer => "consumer",
        Role::Reducer => "reducer",
        Role::Submitter => "submitter",
    }
}

/// Runs the command.
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
    /// One for tests of what follows from what was seen.
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
