//! The store's tables and views. Their comments show in the `sqlite3` shell.

/// The schema's version, written into `PRAGMA user_version`. A store of any other version is
/// refused.
pub(super) const VERSION: i64 = 9;

pub(super) const TABLES: &str = r#"
CREATE TABLE store (            -- one row: the owner of this store
    store_id   TEXT NOT NULL,   -- random; a copy of this file has the same
    owner      TEXT NOT NULL,
    created_at TEXT NOT NULL    -- UTC
) STRICT;

CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY,
    job           TEXT UNIQUE,        -- NULL: a later opening replaced this one and takes its answers over
    opening       TEXT NOT NULL UNIQUE, -- random; every message about the job carries it
    follows       INTEGER REFERENCES jobs (id), -- the earlier opening that it takes over from
    workload      TEXT NOT NULL,
    spec          TEXT NOT NULL,      -- JSON: the request
    asked         TEXT NOT NULL DEFAULT '', -- JSON: spec and report, the same for jobs that ask for the same
    opened_at     REAL NOT NULL,      -- seconds since 1970
    finished_at   REAL,               -- seconds since 1970; when its report was written
    plan_end      INTEGER,            -- the number of tasks, once the plan is complete
    sent          TEXT NOT NULL DEFAULT '{}', -- JSON: for each class, the number below which its tasks were sent
    answered      INTEGER NOT NULL,   -- tasks below this number have their outcome
    counts        TEXT NOT NULL,      -- JSON: the account; see the view job_summary
    report_sha256 TEXT,
    cancelled_at  REAL,               -- seconds since 1970; set if the job was cancelled
    report        TEXT,               -- the report's name; NULL: the job's id
    plan          TEXT NOT NULL,      -- the hash of the plan up to its first gap
    origin        TEXT,               -- for jobs over files: machine and directories of the request
    unnamed       INTEGER NOT NULL DEFAULT 0, -- 1: its producer gave it no id
    priority      INTEGER NOT NULL DEFAULT 0, -- jobs with a higher one go first
    needs         INTEGER NOT NULL DEFAULT 0, -- 1: some of its tasks need others
    label         TEXT,               -- which sum it adds to, if any
    released      INTEGER NOT NULL DEFAULT 0, -- results of tasks below this number were taken: their rows left
    forgotten     INTEGER NOT NULL DEFAULT 0 -- 1: its rows are being removed
) STRICT;

CREATE INDEX jobs_by_asked ON jobs (asked, opened_at);
CREATE INDEX jobs_by_report ON jobs (report);
CREATE INDEX jobs_by_opened ON jobs (opened_at);
CREATE INDEX open_jobs ON jobs (id) WHERE finished_at IS NULL;
CREATE INDEX cancelled_jobs ON jobs (cancelled_at) WHERE cancelled_at IS NOT NULL;
CREATE INDEX finished_jobs ON jobs (finished_at) WHERE job IS NOT NULL AND finished_at IS NOT NULL;
CREATE INDEX forgotten_jobs ON jobs (id) WHERE forgotten;
CREATE INDEX jobs_by_label ON jobs (label) WHERE label IS NOT NULL;

-- Openings that lost their name, the latest ones: late messages about them are acked.
CREATE TABLE forgotten (
    id      INTEGER PRIMARY KEY,
    opening TEXT NOT NULL UNIQUE
) STRICT;

-- One row per task. Contents (body, kept, answer) are text where their type is application/json, and
-- blobs otherwise.
CREATE TABLE tasks (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,
    class   TEXT NOT NULL,
    items   INTEGER NOT NULL,
    body    ANY,                      -- as its workload defines it; NULL: nothing to do, the task has only notes
    body_type TEXT,                   -- the content type of body
    failed  TEXT,                     -- JSON: failures in planning
    skipped TEXT,                     -- JSON: counts of skipped items by kind
    needs   TEXT,                     -- JSON: numbers of the tasks whose answers its body is made of
    plan    TEXT NOT NULL,            -- the hash of the plan up to and including this task
    planned_at INTEGER,               -- nanoseconds since 1970, if its producer said so
    kept    ANY,                      -- a known answer for some of its items; the others are asked for
    kept_type TEXT,                   -- the content type of kept
    kept_left INTEGER NOT NULL DEFAULT 0, -- 1: the other items were left to another consumer
    kept_run TEXT,                    -- the run whose parts belong to kept
    kept_by TEXT,                     -- the consumer that gave kept; it is not asked for the rest
    PRIMARY KEY (job_id, number)
) STRICT;

-- The one outcome of each task.
CREATE TABLE outcomes (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,
    status  TEXT NOT NULL CHECK (status IN ('done', 'failed')),
    attempt INTEGER NOT NULL,
    answer  ANY,                      -- as its workload defines it; NULL if the task failed
    answer_type TEXT,                 -- the content type of answer
    reason  TEXT,                     -- why it failed
    cause   INTEGER,                  -- the failed task that it needs, directly or not, if it failed of that
    stderr  TEXT,                     -- the end of its error output, if it failed in a process of its own
    host    TEXT NOT NULL,
    micros  INTEGER NOT NULL,         -- time that the task took on the host, in microseconds
    run     TEXT,                     -- the run whose parts belong to the answer, if it has parts
    PRIMARY KEY (job_id, number)
) STRICT;

-- Parts of answers, which come before their outcomes. The workload defines the format of body.
CREATE TABLE parts (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,         -- the task
    run     TEXT NOT NULL,            -- one attempt; only runs that outcomes.run or tasks.kept_run names count
    part    INTEGER NOT NULL,
    item    INTEGER,                  -- if set, the part counts only if this item has a result
    body    ANY NOT NULL,
    body_type TEXT NOT NULL,          -- the content type of body
    PRIMARY KEY (job_id, number, run, part)
) STRICT;

-- Open tasks that need others. waits is the number of these that are not done yet.
CREATE TABLE dependants (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,
    waits   INTEGER NOT NULL,
    sent    INTEGER NOT NULL DEFAULT 0, -- 1: the task was sent
    PRIMARY KEY (job_id, number)
) STRICT, WITHOUT ROWID;

-- Which task needs which.
CREATE TABLE needs (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    need    INTEGER NOT NULL,
    number  INTEGER NOT NULL,         -- the task that needs it
    PRIMARY KEY (job_id, need, number)
) STRICT, WITHOUT ROWID;

-- Updates of a job's workers, in the order of their versions.
CREATE TABLE updates (
    job_id    INTEGER NOT NULL REFERENCES jobs (id),
    version   INTEGER NOT NULL,       -- 1, 2, 3, ...
    replaces  INTEGER NOT NULL,       -- 1: it replaces all before it, which have left
    body      ANY NOT NULL,
    body_type TEXT NOT NULL,          -- the content type of body
    PRIMARY KEY (job_id, version)
) STRICT;

CREATE TABLE sums (
    label TEXT PRIMARY KEY,           -- for example "caravan NAME"
    total INTEGER NOT NULL
) STRICT;

-- Dead-lettered messages of tasks.
CREATE TABLE dead_letters (
    id      INTEGER PRIMARY KEY,
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,
    reason  TEXT NOT NULL,
    at      REAL NOT NULL,            -- seconds since 1970
    host    TEXT,                     -- the host that refused it, if known
    attempt INTEGER
) STRICT;

-- Tasks that failed for the last time, until they are replayed or dropped. Their outcomes say why.
CREATE TABLE dead (
    job_id INTEGER NOT NULL REFERENCES jobs (id),
    number INTEGER NOT NULL,
    at     REAL NOT NULL,             -- seconds since 1970
    PRIMARY KEY (job_id, number)
) STRICT;

-- Leased tasks. They are in no queue: a consumer holds them and names them in each heartbeat.
CREATE TABLE leases (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    holder  TEXT NOT NULL,            -- the consumer
    host    TEXT NOT NULL,
    at      REAL NOT NULL,            -- seconds since 1970
    PRIMARY KEY (job_id, number)
) STRICT;
"#;

/// Views that hold for every workload. Each fold adds its own, see [`crate::fold::VIEWS`].
pub(super) const VIEWS: &str = r#"
CREATE VIEW job_summary AS
SELECT job, workload,
       CASE WHEN cancelled_at IS NOT NULL THEN 'cancelled' WHEN finished_at IS NOT NULL THEN 'finished'
            WHEN plan_end IS NOT NULL THEN 'running' ELSE 'planning' END AS state,
       datetime(opened_at, 'unixepoch') AS opened, datetime(finished_at, 'unixepoch') AS finished,
       datetime(cancelled_at, 'unixepoch') AS cancelled,
       counts ->> '$.tasks_planned' AS tasks_planned, counts ->> '$.tasks_done' AS tasks_done,
       counts ->> '$.tasks_failed' AS tasks_failed,
       coalesce(counts ->> '$.tasks_cancelled', 0) AS tasks_cancelled, counts ->> '$.items_planned' AS items_planned,
       counts ->> '$.items_done' AS items_done, counts ->> '$.items_failed' AS items_failed,
       counts ->> '$.bytes_done' AS bytes_done, counts ->> '$.duplicates' AS duplicates,
       counts ->> '$.resends' AS resends, report_sha256
FROM jobs WHERE job IS NOT NULL;

-- Tasks without a result, and the reason. The view failures has their items as well.
CREATE VIEW task_failures AS
SELECT jobs.job, tasks.number AS task, plan.value ->> '$.name.path' AS path,
       plan.value ->> '$.name.path_base64' AS path_base64, plan.value ->> '$.reason' AS reason
FROM tasks JOIN jobs ON jobs.id = tasks.job_id JOIN json_each(tasks.failed) AS plan
WHERE jobs.job IS NOT NULL
UNION ALL
SELECT jobs.job, outcomes.number, NULL, NULL, outcomes.reason
FROM outcomes JOIN jobs ON jobs.id = outcomes.job_id WHERE outcomes.status = 'failed' AND jobs.job IS NOT NULL;

-- Dead tasks, with the reason of the last failure.
CREATE VIEW dead_tasks AS
SELECT jobs.job || '.' || number AS task, jobs.job, number, datetime(dead.at, 'unixepoch') AS died,
       outcomes.attempt AS attempts, outcomes.host, outcomes.reason, outcomes.stderr
FROM dead JOIN outcomes USING (job_id, number) JOIN jobs ON jobs.id = dead.job_id
WHERE jobs.job IS NOT NULL;
"#;
