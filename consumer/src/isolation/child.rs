//! The child's side: requests arrive on stdin, replies leave on stdout, and stderr tells why the
//! child died.

use std::io::{self, ErrorKind, Read, Write};
use std::path::PathBuf;

use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::system::descriptor;

use super::frame::{self, Ask, Tell};
use crate::work::{Context, Piece, Site, Unsent, WorkError, work};

/// Does items until stdin ends, which also happens when the parent dies.
///
/// A panic is not caught: it ends this process, which costs one item.
pub fn serve() -> io::Result<()> {
    contain()?;
    // This process has one thread, so the stdin lock cannot block.
    answer(&mut io::stdin().lock(), &mut descriptor::stdout()?)
}

fn answer(asks: &mut impl Read, tells: &mut impl Write) -> io::Result<()> {
    let (Ask::Site { roots, follow_outside, compare }, _) = frame::read(asks)? else {
        return Err(io::Error::new(ErrorKind::InvalidData, "the parent sent an item before the roots"));
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
        let Ask::Item { workload, planned_at, content_type } = ask else {
            return Err(io::Error::new(ErrorKind::InvalidData, "the parent sent the roots twice"));
        };
        // The write blocks while the parent is busy: the pipe holds less than a piece.
        let lost =
            |error: io::Error| Unsent::Lost(format!("cannot send a part of the answer to the parent process: {error}"));
        let mut publish =
            |Piece { body, .. }: Piece| frame::write(tells, &Tell::Piece(body.content_type), &body.bytes).map_err(lost);
        // The parent cancels by killing this process.
        let context = Context { site: &site, planned_at, cancelled: &|| false, publish: &mut publish, early: None };
        match work(workload, &Payload { content_type, bytes: body.into() }, context) {
            Ok(answer) => frame::write(tells, &Tell::Done(answer.content_type), &answer.bytes)?,
            Err(WorkError::Rejected(reason)) => frame::write(tells, &Tell::Rejected(reason), b"")?,
            Err(WorkError::Failed(failure)) => frame::write(tells, &Tell::Failed(failure), b"")?,
            Err(WorkError::Permanent(failure)) => frame::write(tells, &Tell::Permanent(failure), b"")?,
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

/// Makes this process die with its parent, leave no core dump, and be the first to go when memory
/// is short.
fn contain() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // If the parent died before this call, stdin ends and so does this process.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // When memory is short, the kernel should kill this process and not its parent. A system
    // without this file decides on its own.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    Ok(())
}
