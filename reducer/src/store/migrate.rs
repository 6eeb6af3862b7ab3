//! A store of an older version becomes one of this version, whole or not at all.

use rusqlite::Connection;

use super::{StoreError, schema};

/// The oldest version that can be brought up to the present one.
pub(super) const OLDEST: i64 = 2;

/// Makes the tables and views of an empty database.
pub(super) fn create(connection: &Connection) -> Result<(), StoreError> {
    for text in [schema::TABLES, schema::TABLES_3, schema::VIEWS] {
        connection.execute_batch(text)?;
    }
    Ok(connection.pragma_update(None, "user_version", schema::VERSION)?)
}

/// Brings a store of version [`OLDEST`] or later up to the present one. A crash in between leaves it as it was.
pub(super) fn migrate(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Asked within the transaction: another process may have brought it up meanwhile.
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let from_2 = [schema::FROM_2, schema::TABLES_3, schema::DEAD_FROM_2, schema::VIEWS];
    let steps = [(2, &from_2[..]), (3, &[schema::FROM_3])];
    for (_, texts) in steps.into_iter().filter(|(from, _)| *from >= found) {
        texts.iter().try_for_each(|text| connection.execute_batch(text))?;
    }
    connection.pragma_update(None, "user_version", schema::VERSION)?;
    Ok(connection.execute_batch("COMMIT")?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use rusqlite::Connection;
    use shared::id::JobId;
    use shared::job::JobState;

    use crate::report::{Format, Render};
    use crate::store::{Place, Reader, Store};

    fn store_of_version_2(directory: &Path) -> Place {
        let path = directory.join("store.sqlite");
        let connection = Connection::open(&path).expect("a database");
        connection.execute_batch(include_str!("version-2.sql")).expect("a store of version 2");
        Place::File(path)
    }

    fn id(name: &str) -> JobId {
        JobId::from_name(name.as_bytes())
    }

    #[test]
    fn a_store_of_version_2_goes_on_with_all_that_it_held() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = store_of_version_2(directory.path());
        let store = Store::open(&place, || unreachable!("it has an owner")).expect("it is brought up");
        assert_eq!(store.id().as_str(), "7c0s5v2b9k1m3q4t");
        let jobs = store.recover(Duration::from_secs(1_800_000_000)).expect("its jobs");
        let states: Vec<_> = jobs.iter().map(|job| (job.id.as_str(), job.state(), job.flights.len())).collect();
        let finished = |name| (name, JobState::Finished, 0);
        assert_eq!(states, [finished("whole"), finished("words"), ("open", JobState::Running, 1), finished("half")]);
        let dead: (String, u32, String, String) = store
            .connection
            .query_row("SELECT task, attempts, reason, stderr FROM dead_tasks", [], |row| row.try_into())
            .expect("one dead task");
        assert_eq!(dead, ("half.0".to_owned(), 5, "out of memory".to_owned(), "Killed".to_owned()));
        let mut render = Render::new(store.path(), &id("whole"), Format::Text).expect("a report");
        render.write_up_to(u64::MAX, &mut std::io::sink(), &mut |_| {}).expect("it is written");
        let status = Reader::open(store.path()).and_then(|reader| reader.statuses()).expect("statuses");
        assert_eq!(status[0].report_sha256, Some(render.sha256()));
    }

    #[test]
    fn what_breaks_off_in_between_leaves_it_as_it_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = store_of_version_2(directory.path());
        let Place::File(path) = &place else { unreachable!() };
        let connection = Connection::open(path).expect("a database");
        let columns = "SELECT count(*) FROM pragma_table_info('jobs')";
        let shape = || {
            let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
            let columns = connection.query_row(columns, [], |row| row.get::<_, i64>(0));
            (version.expect("a version"), columns.expect("a count"))
        };
        let before = shape();
        // Half of the way is gone when this is in it.
        connection.execute_batch("CREATE TABLE leases (x)").expect("made");
        assert!(Store::open(&place, || unreachable!("it has an owner")).is_err());
        assert_eq!(shape(), before);
        connection.execute_batch("DROP TABLE leases").expect("dropped");
        let store = Store::open(&place, || unreachable!("it has an owner")).expect("it is brought up");
        assert_eq!((store.recover(Duration::ZERO).expect("its jobs").len(), shape()), (4, (4, before.1 + 4)));
    }

    #[test]
    fn a_store_of_version_3_lacks_names_of_reports_and_links_of_plans() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place::File(directory.path().join("store.sqlite"));
        let store = Store::open(&place, || "o".parse().expect("an id")).expect("a store");
        store
            .connection
            .execute_batch(
                "ALTER TABLE jobs DROP COLUMN report; ALTER TABLE jobs DROP COLUMN link;
                 ALTER TABLE jobs DROP COLUMN origin; PRAGMA user_version = 3",
            )
            .expect("it is one of version 3");
        drop(store);
        let store = Store::open(&place, || unreachable!("it has an owner")).expect("it is brought up");
        store.connection.execute_batch("SELECT report, link, origin FROM jobs").expect("it has the columns");
        drop(store);
        Store::open(&place, || unreachable!("it has an owner")).expect("and stays so");
    }

    #[test]
    fn who_only_reads_brings_it_up_as_well_and_it_is_then_like_a_new_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let Place::File(path) = store_of_version_2(directory.path()) else { unreachable!() };
        let reader = Reader::open(&path).expect("it is brought up");
        assert_eq!(reader.statuses().expect("statuses").len(), 4);
        let new = Store::open(&Place::Temporary, || "o".parse().expect("an id")).expect("a store");
        let columns = |connection: &Connection| {
            let mut statement = connection
                .prepare(
                    "SELECT schema.name || '.' || info.name || ' ' || info.type || ' ' || info.\"notnull\"
                     FROM sqlite_schema AS schema, pragma_table_info(schema.name) AS info ORDER BY 1",
                )
                .expect("a query");
            let rows = statement.query_map([], |row| row.get::<_, String>(0)).expect("rows");
            rows.collect::<Result<Vec<_>, _>>().expect("texts")
        };
        assert_eq!(columns(&reader.connection), columns(&new.connection));
    }
}
