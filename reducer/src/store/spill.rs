//! A temporary database for words that do not fit into memory. It is removed with its value.

use rusqlite::{Connection, params};

use super::StoreError;

/// Sums the counts of more words than fit into memory.
#[derive(Debug)]
pub struct Spill {
    connection: Connection,
}

impl Spill {
    /// Creates an empty one, in the directory that `SQLITE_TMPDIR` or `TMPDIR` names, or else in
    /// `/var/tmp` or `/tmp`.
    pub fn new() -> Result<Self, StoreError> {
        // With an empty name, SQLite creates a file and unlinks it as soon as it is open.
        let connection = Connection::open("")?;
        connection.pragma_update(None, "journal_mode", "OFF")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.execute_batch("CREATE TABLE words (word BLOB NOT NULL, count INTEGER NOT NULL) STRICT")?;
        Ok(Self { connection })
    }

    /// Adds words. A word may be added several times.
    pub fn add(&self, words: Vec<(Vec<u8>, u64)>) -> Result<(), StoreError> {
        self.connection.execute_batch("BEGIN")?;
        let mut statement = self.connection.prepare_cached("INSERT INTO words VALUES (?, ?)")?;
        for (word, count) in words {
            statement.execute(params![&word[..], count])?;
        }
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    /// Calls `take` with each word and its sum, the most frequent first, then in byte order; for
    /// `top` words or all.
    pub fn by_count<E: From<StoreError>>(
        &self,
        top: Option<u64>,
        mut take: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: rusqlite::Error| E::from(StoreError::from(error));
        // SQLite sorts in temporary files where memory is not enough.
        let mut statement = self
            .connection
            .prepare("SELECT word, sum(count) AS total FROM words GROUP BY word ORDER BY total DESC, word LIMIT ?")
            .map_err(failed)?;
        // A negative limit means no limit.
        let limit = top.map_or(-1, |top| i64::try_from(top).unwrap_or(i64::MAX));
        let mut rows = statement.query([limit]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let word = row.get_ref(0).map_err(failed)?.as_blob().map_err(|error| failed(error.into()))?;
            take(row.get(1).map_err(failed)?, word)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_add_up_and_come_by_count() {
        let spill = Spill::new().expect("a spill");
        let word = |word: &[u8], count| (word.to_vec(), count);
        spill.add(vec![word(b"a", 1), word(b"b", 2)]).expect("added");
        spill.add(vec![word(b"a", 1), word(b"\xff", 7), word(b"", 1)]).expect("added");
        let of = |top| {
            let mut words = Vec::new();
            let mut take = |count, word: &[u8]| -> Result<(), StoreError> {
                words.push((count, word.to_vec()));
                Ok(())
            };
            spill.by_count(top, &mut take).expect("words");
            words
        };
        assert_eq!(of(None), [(7, b"\xff".to_vec()), (2, b"a".to_vec()), (2, b"b".to_vec()), (1, Vec::new())]);
        assert_eq!(of(Some(1)), [(7, b"\xff".to_vec())]);
    }
}
