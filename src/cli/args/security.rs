//! Options for TLS and for message encryption, and the arguments of `packhorse key`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Clone, Default, Args)]
pub struct SecurityArgs {
    /// With amqps://, trust the certificate authorities in FILE (PEM), and no others
    /// [default: the system's; env: PACKHORSE_TLS_CA]
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,

    /// With amqps://, present this client certificate to the broker (PEM, followed by its chain)
    /// [env: PACKHORSE_TLS_CERT]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// The private key of --tls-cert (PEM, unencrypted)
    /// [env: PACKHORSE_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Encrypt and authenticate every message with the keys in FILE, and refuse all others
    /// (packhorse key new FILE makes one) [env: PACKHORSE_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
}

impl SecurityArgs {
    /// These options as environment variables for another process. Paths stay as the user gave
    /// them, so that process must start in the same directory.
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
A key file has one key per line: an id and a secret. The first key encrypts; all keys decrypt. To
change keys without a gap, append the new key's line to the file of every role and restart the roles;
then move the line to the top everywhere and restart them; then, when no message of the old key is
left, remove the old line.

A role with a key file (--key-file FILE or PACKHORSE_KEY_FILE) sends no message unencrypted and refuses
those that its keys do not decrypt. docs/PROTOCOL.md says what is encrypted and what is not.";

#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct KeyArgs {
    #[command(subcommand)]
    pub command: KeyCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum KeyCommand {
    /// Create a file with a new key, readable only by its owner, and print the key's id
    New {
        /// The file to create; it must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}
