//! Keys pressed at the terminal, one by one.
//!
//! The terminal delivers each key at once and shows none. Its output and Ctrl-C stay as they are,
//! so notices look as usual and the two-step stop is the same.

use std::io::{self, IsTerminal, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use shared::system::threads;
use tokio::sync::broadcast;

use super::{Failure, signals};

/// Limit on keys that wait to be used; more are dropped.
const AHEAD: usize = 64;

const END_OF_TRANSMISSION: u8 = 4;
const ESCAPE: u8 = 27;

/// The code 0 disables a special key, which then counts like any other key.
const DISABLED: u8 = 0;

/// The terminal's settings before this program changed them. Dropping this restores them, also on a
/// panic.
#[derive(Debug)]
pub struct Terminal {
    device: OwnedFd,
    before: Termios,
}

/// Listens at standard input: sends a cue for each key, until q, Ctrl-D or the end of the input.
pub fn listen() -> Result<(Terminal, broadcast::Receiver<()>), Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Failure::usage("--interactive needs a terminal: standard input is not one, so it gives no keys"));
    }
    let failed = |error: io::Error| Failure::unfinished(format!("cannot set up the terminal for keys: {error}"));
    let device = stdin.as_fd().try_clone_to_owned().map_err(failed)?;
    let again = device.try_clone().map_err(failed)?;
    let terminal = Terminal::enter(device).map_err(failed)?;
    let before = terminal.before.clone();
    signals::before_exit(move || restore(&again, &before));
    let (cue, cues) = broadcast::channel(AHEAD);
    threads::start("keys", move || read(stdin.lock(), &cue)).map_err(Failure::unfinished)?;
    Ok((terminal, cues))
}

fn read(mut keyboard: impl Read, cue: &broadcast::Sender<()>) {
    let mut buffer = [0; 256];
    // An error means that the terminal is gone, so no more keys will come.
    while let Ok(count @ 1..) = keyboard.read(&mut buffer) {
        let (keys, is_end) = count_keys(&buffer[..count]);
        for _ in 0..keys {
            // Without a receiver the command is ending, and the process does not wait for this
            // thread.
            let _ = cue.send(());
        }
        if is_end {
            return;
        }
    }
}

/// Counts the keys in these bytes, and tells whether one of them ends the input. An arrow or a
/// letter outside ASCII is several bytes and one key.
fn count_keys(mut bytes: &[u8]) -> (usize, bool) {
    let mut keys = 0;
    while let Some((&first, rest)) = bytes.split_first() {
        bytes = match first {
            b'q' | b'Q' | END_OF_TRANSMISSION => return (keys, true),
            ESCAPE => after_escape(rest),
            _ => rest,
        };
        let is_continued = first & 0b1100_0000 == 0b1000_0000;
        keys += usize::from(!is_continued);
    }
    (keys, false)
}

/// The bytes after an escape sequence: ESC [ parameters letter, ESC O letter, ESC letter, or ESC
/// alone.
fn after_escape(rest: &[u8]) -> &[u8] {
    match rest {
        [b'[', parameters @ ..] => match parameters.iter().position(|byte| (0x40..=0x7e).contains(byte)) {
            Some(last) => &parameters[last + 1..],
            None => &[],
        },
        [b'O', _, after @ ..] | [_, after @ ..] => after,
        [] => &[],
    }
}

impl Terminal {
    fn enter(device: OwnedFd) -> io::Result<Self> {
        let before = tcgetattr(&device)?;
        let mut keys = before.clone();
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
        keys.special_codes[SpecialCodeIndex::VMIN] = 1;
        keys.special_codes[SpecialCodeIndex::VTIME] = 0;
        // Suspending or quitting would leave the terminal with these settings.
        keys.special_codes[SpecialCodeIndex::VSUSP] = DISABLED;
        keys.special_codes[SpecialCodeIndex::VQUIT] = DISABLED;
        tcsetattr(&device, OptionalActions::Now, &keys)?;
        Ok(Self { device, before })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore(&self.device, &self.before);
    }
}

/// Drops keys that were not read: the shell must not take them for a command.
fn restore(device: &OwnedFd, before: &Termios) {
    // The process ends here and cannot handle a failure.
    let _ = tcsetattr(device, OptionalActions::Flush, before);
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::*;

    #[test]
    fn an_arrow_is_one_key_and_q_is_the_last() {
        for (bytes, keys, is_end) in [
            ("abc", 3, false),
            ("a\x1b[Ab", 3, false),
            ("\x1b[15;2~\x1bOP\x1b", 3, false),
            ("\x1bx ", 2, false),
            ("äö\n", 3, false),
            ("aqb", 1, true),
            ("\x04", 0, true),
            ("", 0, false),
        ] {
            assert_eq!(count_keys(bytes.as_bytes()), (keys, is_end), "{bytes:?}");
        }
    }

    #[test]
    fn a_panic_leaves_the_terminal_as_it_was() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("it is ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("a plain name");
        let device: OwnedFd = std::fs::File::options().read(true).write(true).open(name).expect("it opens").into();
        let modes = || tcgetattr(&device).expect("a terminal").local_modes;
        let before = modes();
        assert!(before.contains(LocalModes::ICANON | LocalModes::ECHO));
        let panicked = catch_unwind(|| {
            let _terminal = Terminal::enter(device.try_clone().expect("a descriptor")).expect("it takes keys");
            assert!(!modes().intersects(LocalModes::ICANON | LocalModes::ECHO));
            assert!(modes().contains(LocalModes::ISIG), "Ctrl-C stays a signal");
            panic!("as a bug would");
        });
        assert!(panicked.is_err());
        assert_eq!(modes(), before);
    }
}
