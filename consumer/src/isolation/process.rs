//! The parent's side: starts a child, gives it items, kills it and examines its death.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use shared::protocol::limits::TASK_STDERR_BYTES;
use shared::protocol::message::Failure;
use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use shared::system::threads::explained;

use super::Isolation;
use super::frame::{self, Ask, Tell};
use crate::work::{OpenRoot, Site, Unsent, WorkError};

/// The name in a process list.
const NAME: &str = "packhorse-isolated";

/// How often a wait checks for cancellation: every 100 ms.
const LOOK_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

const PIPED: &str = "all three are piped";

/// Bytes that a pipe takes without blocking once it is writable (POSIX: at least 512).
const PIPE_BYTES: usize = 512;

/// Why an item has no answer.
pub(super) enum Lost {
    /// The item killed the process, or its answer cannot be sent.
    Item(Failure),
    /// The cause is not the item: the whole task has no answer.
    Task(WorkError),
}

/// A child, killed and waited for when dropped.
pub(super) struct Process<'a> {
    child: Child,
    status: Option<ExitStatus>,
    asks: Pipe<'a, ChildStdin>,
    tells: Pipe<'a, ChildStdout>,
    stderr: Option<JoinHandle<Vec<u8>>>,
    cancelled: &'a dyn Fn() -> bool,
}

impl<'a> Process<'a> {
    /// Starts a child that may read this root, and waits until it is ready.
    pub(super) fn start(
        isolation: &Isolation,
        root: Option<&(String, OpenRoot)>,
        site: &Site,
        cancelled: &'a dyn Fn() -> bool,
    ) -> Result<Self, WorkError> {
        let failed = |why: String, stderr: String| {
            let reason = format!("cannot start {} to work in isolation: {why}", isolation.program.display());
            WorkError::Failed(Failure { reason, stderr })
        };
        let mut process =
            Self::spawn(isolation, cancelled).map_err(|error| failed(explained(&error), String::new()))?;
        let roots = root.map(|(name, open)| (name.clone(), open.place())).into_iter().collect();
        let ask = Ask::Site { roots, follow_outside: site.follows_outside(), compare: site.compared() };
        let told = frame::write(&mut process.asks, &ask, b"").and_then(|()| frame::read(&mut process.tells));
        match told {
            Ok((Tell::Ready, _)) => Ok(process),
            Ok((other, _)) => Err(failed(format!("it replied {other:?} instead of Ready"), String::new())),
            Err(error) => Err(match process.end(&error) {
                Lost::Item(Failure { reason, stderr }) => failed(reason, stderr),
                Lost::Task(error) => error,
            }),
        }
    }

    fn spawn(isolation: &Isolation, cancelled: &'a dyn Fn() -> bool) -> io::Result<Self> {
        let mut child = Command::new(&isolation.program)
            .args(&isolation.args)
            .arg0(NAME)
            // A process group of its own: a terminal's Ctrl-C must reach only the parent, which
            // finishes its tasks first.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (stdin, stdout, stderr) = (pipes.0.expect(PIPED), pipes.1.expect(PIPED), pipes.2.expect(PIPED));
        let (asks, tells) = (Pipe { end: stdin, cancelled }, Pipe { end: stdout, cancelled });
        // From here on, dropping `process` kills the child, whatever fails.
        let mut process = Self { child, status: None, asks, tells, stderr: None, cancelled };
        process.stderr = Some(thread::Builder::new().name(NAME.to_owned()).spawn(move || last_bytes(stderr))?);
        Ok(process)
    }

    /// Gives the child one item of a task that was planned at `planned_at` and returns its answer.
    /// After an error the process must not be used again.
    pub(super) fn work(
        &mut self,
        (workload, planned_at): (Workload, Option<i64>),
        body: &Payload,
        publish: &mut dyn FnMut(Payload) -> Result<(), Unsent>,
    ) -> Result<Payload, Lost> {
        let task = |error: WorkError| Err(Lost::Task(error));
        let ask = Ask::Item { workload, planned_at, content_type: body.content_type.clone() };
        if let Err(error) = frame::write(&mut self.asks, &ask, body) {
            return Err(self.end(&error));
        }
        loop {
            match frame::read(&mut self.tells) {
                Ok((Tell::Piece(of), piece)) => match publish(Payload { content_type: of, bytes: piece.into() }) {
                    Ok(()) => {}
                    Err(Unsent::TooLarge(reason)) => {
                        return Err(Lost::Item(Failure { reason, stderr: String::new() }));
                    }
                    Err(unsent) => return task(unsent.into()),
                },
                Ok((Tell::Done(content_type), answer)) => {
                    return Ok(Payload { content_type, bytes: answer.into() });
                }
                Ok((Tell::Failed(failure), _)) => return task(WorkError::Failed(failure)),
                Ok((Tell::Permanent(failure), _)) => return task(WorkError::Permanent(failure)),
                Ok((Tell::Rejected(reason), _)) => return task(WorkError::Rejected(reason)),
                Ok((Tell::Ready, _)) => {
                    return task(WorkError::failed("its process reported Ready twice"));
                }
                Err(error) => return Err(self.end(&error)),
            }
        }
    }

    /// Kills the child with every process that it started (they would keep its pipes open) and
    /// waits for it. The status of a child that is already exiting stays the same: it closes its
    /// pipes after its exit status is fixed.
    fn kill(&mut self) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            // The process id may belong to another process by now.
            return Ok(status);
        }
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let status = self.child.wait()?;
        self.status = Some(status);
        Ok(status)
    }

    /// Ends the child after a pipe error or a cancellation, and tells what it died of.
    fn end(&mut self, error: &io::Error) -> Lost {
        let is_gone = matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe);
        let status = self.kill();
        let stderr = self.stderr.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        if (self.cancelled)() {
            return Lost::Task(WorkError::failed("cancelled"));
        }
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let status = match status {
            Ok(status) if is_gone => status,
            _ => {
                let reason = format!("its process was killed after an error: {error}");
                return Lost::Item(Failure { reason, stderr });
            }
        };
        let failure = Failure { reason: format!("its process {}", death(status)), stderr };
        match status.signal() {
            Some(signal) if asks_to_stop(signal) => Lost::Task(WorkError::Failed(failure)),
            _ => Lost::Item(failure),
        }
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// How a process ended, as text.
fn death(status: ExitStatus) -> String {
    // The standard library's text has the signal's name: "signal: 11 (SIGSEGV)".
    let text = status.to_string();
    match (status.signal(), text.strip_prefix("signal: ")) {
        (Some(9), _) => "was killed by signal 9 (SIGKILL), as the system does when it is out of memory".to_owned(),
        (Some(_), Some(signal)) => format!("was killed by signal {signal}"),
        _ => match status.code() {
            Some(code) => format!("exited with code {code}"),
            None => format!("ended: {text}"),
        },
    }
}

/// Whether supervisors and terminals send this signal to stop every process of a service. Such a
/// death is not caused by an item.
fn asks_to_stop(signal: i32) -> bool {
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM].iter().any(|stop| stop.as_raw() == signal)
}

/// Reads to the end and returns the last [`TASK_STDERR_BYTES`].
fn last_bytes(mut pipe: ChildStderr) -> Vec<u8> {
    let (mut last, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        last.extend_from_slice(&buffer[..count]);
        last.drain(..last.len().saturating_sub(TASK_STDERR_BYTES));
    }
    last
}

/// One end of a pipe. A wait on it ends with an error when the task is cancelled.
struct Pipe<'a, E> {
    end: E,
    cancelled: &'a dyn Fn() -> bool,
}

impl<E: AsFd> Pipe<'_, E> {
    fn wait(&self, ready: PollFlags) -> io::Result<()> {
        loop {
            if (self.cancelled)() {
                return Err(io::Error::other("cancelled"));
            }
            match poll(&mut [PollFd::new(&self.end, ready)], Some(&LOOK_INTERVAL)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Read for Pipe<'_, ChildStdout> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait(PollFlags::IN)?;
        self.end.read(buffer)
    }
}

impl Write for Pipe<'_, ChildStdin> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(PollFlags::OUT)?;
        self.end.write(&bytes[..bytes.len().min(PIPE_BYTES)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.end.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_told_by_its_signal_or_code() {
        for (raw, text) in [
            (11, "was killed by signal 11 (SIGSEGV)"),
            (0x80 | 6, "was killed by signal 6 (SIGABRT) (core dumped)"),
            (9, "was killed by signal 9 (SIGKILL), as the system does when it is out of memory"),
            (101 << 8, "exited with code 101"),
            (0, "exited with code 0"),
        ] {
            assert_eq!(death(ExitStatus::from_raw(raw)), text);
        }
        assert!(asks_to_stop(15) && asks_to_stop(2) && !asks_to_stop(9) && !asks_to_stop(11));
    }

    #[test]
    fn of_a_flood_on_stderr_the_end_is_kept() {
        let script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >&2";
        let mut child = Command::new("sh").args(["-c", script]).stderr(Stdio::piped()).spawn().expect("a shell");
        let last = last_bytes(child.stderr.take().expect("piped"));
        child.wait().expect("it ends");
        assert_eq!(last.len(), TASK_STDERR_BYTES);
        assert!(last.ends_with(b"line 2998\nline 2999\n"));
    }
}
