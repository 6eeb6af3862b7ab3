//! Key files: `packhorse key new` makes them; reading refuses a file that other users can read.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use shared::protocol::seal::{Key, Keyring};

use super::args::security::{KeyArgs, KeyCommand};
use super::{Exit, Failure, term};

pub fn run(args: &KeyArgs) -> Result<Exit, Failure> {
    let KeyCommand::New { file } = &args.command;
    term::can_print()?;
    let key = Key::generate();
    let cannot = |error| Failure::usage(format!("cannot make {}: {error}", file.display()));
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(cannot)?;
    out.write_all(key.to_line().as_bytes()).and_then(|()| out.sync_all()).map_err(cannot)?;
    term::print(format!("{}\n", key.id()).as_bytes())?;
    Ok(Exit::Success)
}

/// Reads a key file. A file of this user that other users can read is refused, as `ssh` refuses its
/// keys.
pub fn read(path: &Path) -> Result<Keyring, Failure> {
    let shown = path.display();
    let cannot = |error| Failure::usage(format!("cannot read the key file {shown}: {error}"));
    let mut file = File::open(path).map_err(cannot)?;
    let metadata = file.metadata().map_err(cannot)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 && metadata.uid() == rustix::process::getuid().as_raw() {
        return Err(Failure::usage(format!(
            "others can read the key file {shown} (mode {mode:04o}): run chmod 600 {shown}, and make a new key if \
             another user may have read it"
        )));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(cannot)?;
    text.parse().map_err(|error| Failure::usage(format!("the key file {shown}: {error}")))
}
