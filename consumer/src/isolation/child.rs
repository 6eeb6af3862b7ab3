//! The child: asked over stdin, it tells over stdout, and says on stderr what it dies of.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

use shared::protocol::path::PathBytes;
use shared::system::descriptor;

use super::frame::{self, Ask, Tell};
use crate::work::{Context, Piece, Site, Unsent, WorkError, work};

/// Does items until stdin ends, as it does with the parent.
///
/// A panic is not caught: it is the end of this process, and so of one item alone.
pub fn serve() -> io::Result<()> {
    contain()?;
    // The parent's threads have no part in it: this process has one.
    answer(&mut io::stdin().lock(), &mut descriptor::stdout()?)
}

fn answer(asks: &mut impl Read, tells: &mut impl Write) -> io::Result<()> {
    let (Ask::Site { roots, follow_outside, compare }, _) = frame::read(asks)? else {
        return Err(io::Error::new(ErrorKind::InvalidData, "an item was asked for before the roots were told"));
    };
    let mut site = site(roots, follow_outside)?;
    site.compare(compare);
    frame::write(tells, &Tell::Ready, b"")?;
    loop {
        let (ask, body) = match frame::read(asks) {
            Ok(frame) => frame,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let Ask::Item { workload, planned_at } = ask else {
            return Err(io::Error::new(ErrorKind::InvalidData, "the roots were told twice"));
        };
        // The pipe is what waits: it holds less than a piece.
        let lost = |error: io::Error| Unsent::Lost(format!("a piece of its answer has not left its process: {error}"));
        let mut publish = |piece: Piece| frame::write(tells, &Tell::Piece, &piece.body).map_err(lost);
        // Whoever cancels kills.
        let context = Context { site: &site, planned_at, cancelled: &|| false, publish: &mut publish };
        match work(workload, &body, context) {
            Ok(answer) => frame::write(tells, &Tell::Done, &answer)?,
            Err(WorkError::Rejected(reason)) => frame::write(tells, &Tell::Rejected(reason), b"")?,
            Err(WorkError::Failed(failure)) => frame::write(tells, &Tell::Failed(failure), b"")?,
        }
    }
}

fn site(roots: Vec<(String, PathBytes)>, follow_outside: bool) -> io::Result<Site> {
    use std::os::unix::ffi::OsStringExt;
    let mut site = Site::new();
    for (name, PathBytes(place)) in roots {
        site.add_root(&name, &PathBuf::from(std::ffi::OsString::from_vec(place))).map_err(io::Error::other)?;
    }
    if follow_outside {
        site.allow_follow_outside();
    }
    Ok(site)
}

/// Nothing of this process is to outlive it or its parent.
fn contain() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // A parent that died before this is noticed, too: it will never hear "ready", and stdin ends.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // Where memory is short, the kernel is to take this process rather than its parent. It may be
    // that the system has no such file: then it chooses for itself.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}
