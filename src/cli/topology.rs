//! `topology`: what a broker needs, for its operator.

use reducer::report::ReportError;
use sha2::{Digest, Sha256};
use shared::protocol::definitions::{Definitions, Role, User};
use shared::protocol::path::to_base64;
use shared::system::random;

use super::args::TopologyArgs;
use super::passwords::{Kept, password};
use super::{Exit, Failure, term};

/// Limit in bytes: an owner's id begins with the whole name, and a longer name does not fit.
const SUBMITTER_BYTES_MAX: usize = 40;

pub async fn run(args: TopologyArgs) -> Result<Exit, Failure> {
    let roles = [("producer", Role::Producer), ("consumer", Role::Consumer), ("reducer", Role::Reducer)];
    let kept = args.urls.as_deref();
    let kept = kept.map(|directory| Kept { directory, host: &args.broker_host, vhost: &args.vhost });
    let mut users = Vec::new();
    for (name, role) in roles {
        users.push(user(name, role, kept.as_ref())?);
    }
    for name in &args.submitters {
        let name = name.as_str();
        if name.len() > SUBMITTER_BYTES_MAX || users.iter().any(|user: &User| user.name == name) {
            return Err(Failure::usage(format!(
                "--submitter {name}: use a name of at most {SUBMITTER_BYTES_MAX} bytes that no other user has"
            )));
        }
        users.push(user(name, Role::Submitter, kept.as_ref())?);
    }
    let definitions = Definitions { vhost: args.vhost, owner: args.owner, roots: args.roots, users };
    let text = format!("{:#}\n", definitions.to_json());
    let failed = |cause| ReportError::Output { path: None, cause };
    term::written(args.output.write(|out| out.write_all(text.as_bytes()).map_err(failed)))?;
    Ok(Exit::Success)
}

fn user(name: &str, role: Role, kept: Option<&Kept<'_>>) -> Result<User, Failure> {
    let password_hash = password(name, kept)?.map(|password| hash(&password, random::seed().to_le_bytes()));
    Ok(User { name: name.to_owned(), role, password_hash })
}

/// In the broker's form: a salt of four bytes, then SHA-256 of the salt and the password.
fn hash(password: &str, random: [u8; 8]) -> String {
    let salt = &random[..4];
    let digest = Sha256::new().chain_update(salt).chain_update(password).finalize();
    to_base64(&[salt, digest.as_slice()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_brokers() {
        // The example of RabbitMQ's documentation on passwords: salt 908D C60A, password test12.
        let random = [0x90, 0x8d, 0xc6, 0x0a, 0, 0, 0, 0];
        assert_eq!(hash("test12", random), "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
    }
}
