//! How the way to a broker is secured.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// How the way to a broker is secured.
#[derive(Debug, Clone, Default, Args)]
pub struct SecurityArgs {
    /// With amqps://, trust the certificate authorities in FILE (PEM), and no others
    /// [default: the system's; env: PACKHORSE_TLS_CA]
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,

    /// With amqps://, show the broker this certificate (PEM, its chain after it)
    /// [env: PACKHORSE_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert (PEM, unencrypted)
    /// [env: PACKHORSE_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Encrypt and authenticate every message with the keys in FILE, and act on no other
    /// (packhorse key new FILE makes one) [env: PACKHORSE_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl SecurityArgs {
    /// The same for the environment of another process. Paths are as they were given, so it has to
    /// start in the same directory.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let files = [
            ("PACKHORSE_TLS_CA", &self.tls_ca),
            ("PACKHORSE_TLS_CERT", &self.tls_cert),
            ("PACKHORSE_TLS_KEY", &self.tls_key),
            ("PACKHORSE_KEY_FILE", &self.key_file),
        ];
        files.into_iter().filter_map(|(name, file)| Some((name, file.clone()?.into_os_string()))).collect()
    }
}

const HELP: &str = "\
A file of keys has one key a line, an id and a secret. The first key seals; all of them open. To
change keys without a gap, append the new key's line to the file of every role and start the roles
again; then move the line to the top everywhere; then, when no message of the old key is left, remove
the old line.

A role that is given such a file (--key-file FILE or PACKHORSE_KEY_FILE) sends no message in clear and
acts on none that its keys do not open. docs/PROTOCOL.md says what is hidden and what is not.";

/// `packhorse key`
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct KeyArgs {
    /// What to do with keys.
    #[command(subcommand)]
    pub command: KeyCommand,
}

/// What one can do with keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyCommand {
    /// Make a file with a fresh key that its owner alone can read, and print the key's id
    New {
        /// The file; it must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}
