//! The work of `words`: lines, words, characters and bytes of each file of a batch, and how often
//! each word occurs.
//!
//! # Layout
//! - `count`: counts lines, words, characters and bytes
//! - `separate`: the word separators of each mode
//! - `table`: how often each word occurs
//! - `frequencies`: the tables of a task, and how they are published in parts

mod count;
mod frequencies;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod separate;
mod table;
#[cfg(test)]
mod tests;

use shared::protocol::payload::Payload;
use shared::protocol::reason::Reason;
use shared::protocol::workload::files::Differing;
use shared::protocol::workload::words::{Answer, Batch, Check, Counts, Manner};

use super::files::{self, Opened, READ_BYTES, ReadError, read_through};
use super::{Context, ItemResult, Piece, Split, Unsent, Work, WorkError};
use count::Counter;
use frequencies::Frequencies;
use separate::Separate;

/// Counts for each file of a batch.
#[derive(Debug)]
pub(super) struct WordsWork;

impl Work for WordsWork {
    fn work(&self, body: &Payload, context: Context<'_>) -> Result<Payload, WorkError> {
        let Context { site, planned_at, cancelled, publish, .. } = context;
        let batch = Batch::parse(body)?;
        let mut reader = Reader::new(batch.manner);
        let mut counts = vec![None; batch.files.items.len()];
        let files::Done { failed, differing } =
            files::each(&batch.files, (site, planned_at), cancelled, &mut |at, opened| {
                counts[at] = Some(reader.read(at, opened, cancelled, publish)?);
                Ok(())
            })?;
        let check = reader.finish(publish)?;
        Ok(Payload::of(&Answer { counts, failed, check, differing }))
    }

    /// Divides a batch into batches of one file.
    fn split(&self, body: &Payload) -> Result<Split, Reason> {
        let Batch { manner, files } = Batch::parse(body)?;
        files::split(files, |files| Payload::of(&Batch { manner, files }))
    }

    /// Joins the answers of one item each. The words are not in them: each item published its own
    /// parts, so the sum of the items' checks is the check of the parts that count.
    fn join(&self, results: Vec<ItemResult>) -> Result<Payload, WorkError> {
        let (mut check, mut differing) = (Check::default(), Differing::default());
        let (counts, failed) = files::join(results, |item, answer| {
            let answer = Answer::parse(answer, 1)?;
            check += answer.check;
            differing.add(&answer.differing, |_| Some(item));
            Ok((answer.counts, answer.failed))
        })?;
        Ok(Payload::of(&Answer { counts, failed, check, differing }))
    }

    fn cut(&self, piece: &[u8]) -> Option<usize> {
        cut(piece)
    }
}

/// The offset of a line's end near the middle: after the line across the middle, or before that
/// line if it is the last.
fn cut(piece: &[u8]) -> Option<usize> {
    let is_end = |&byte: &u8| byte == b'\n';
    let (first, rest) = piece.split_at(piece.len() / 2);
    let after = rest.iter().position(is_end).map(|at| first.len() + at + 1).filter(|&at| at < piece.len());
    after.or_else(|| first.iter().rposition(is_end).map(|at| at + 1))
}

/// Publishes a piece of the answer before the answer itself.
type Publish<'a> = dyn FnMut(Piece) -> Result<(), Unsent> + 'a;

struct Reader {
    manner: Manner,
    buffer: Vec<u8>,
    frequencies: Option<Frequencies>,
}

impl Reader {
    fn new(manner: Manner) -> Self {
        let frequencies = manner.frequencies.then(Frequencies::default);
        Self { manner, buffer: vec![0; READ_BYTES], frequencies }
    }

    fn read(
        &mut self,
        at: usize,
        opened: &Opened,
        cancelled: &dyn Fn() -> bool,
        publish: &mut Publish<'_>,
    ) -> Result<Counts, ReadError> {
        let (mut counter, mut separate) = (Counter::default(), Separate::new(self.manner.mode));
        if let Some(frequencies) = &mut self.frequencies {
            frequencies.begin(at);
        }
        let frequencies = &mut self.frequencies;
        let mut take = |piece: &[u8]| {
            counter.bytes(piece);
            let text = separate.next(piece);
            counter.words(text);
            match frequencies {
                Some(frequencies) => frequencies.add(text, publish),
                None => Ok(()),
            }
        };
        read_through(opened, 0, &mut self.buffer, cancelled, &mut take)?;
        let text = separate.last();
        counter.words(text);
        if let Some(frequencies) = &mut self.frequencies {
            frequencies.add(text, publish)?;
            frequencies.end(publish)?;
        }
        Ok(counter.counts)
    }

    fn finish(self, publish: &mut Publish<'_>) -> Result<Check, Unsent> {
        self.frequencies.map_or(Ok(Check::default()), |frequencies| frequencies.finish(publish))
    }
}
