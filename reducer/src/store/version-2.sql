-- A store as version 2 wrote it: two finished jobs, one with an open task, one whose task failed for the last time.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE store (            -- one row: whose store this is
    store_id   TEXT NOT NULL,   -- tasks carry it, outcomes echo it
    owner      TEXT NOT NULL,
    created_at TEXT NOT NULL    -- UTC
) STRICT;
INSERT INTO store VALUES('7c0s5v2b9k1m3q4t','guest-0123456789abcdef','2026-11-21 13:53:48');
CREATE TABLE jobs (
    id            INTEGER PRIMARY KEY,
    job           TEXT NOT NULL UNIQUE,
    workload      TEXT NOT NULL,
    spec          TEXT NOT NULL,      -- JSON: what was asked for
    opened_at     REAL NOT NULL,      -- seconds since 1970
    finished_at   REAL,
    sealed        INTEGER,            -- the number of tasks, once the plan is complete
    dispatched    INTEGER NOT NULL,   -- tasks below this number were sent
    answered      INTEGER NOT NULL,   -- tasks below this number have their outcome
    counts        TEXT NOT NULL,      -- JSON: the account, see the view job_summary
    report_sha256 TEXT
) STRICT;
INSERT INTO jobs VALUES(1,'whole','digest','{"workload":"digest","algorithm":"sha1","files":{"links":"skip","roots":[{"name":"0","class":"local","prefix":{"path":"t/"}}],"starts":[{"root":0,"file":null}]}}',1795269228.8230412006,1795269228.8283822536,1,1,1,'{"tasks_planned":1,"tasks_done":1,"tasks_failed":0,"tasks_open":0,"items_planned":3,"items_done":3,"items_failed":0,"items_skipped":{},"bytes_planned":6,"bytes_done":6,"duplicates":0,"conflicts":0,"redeliveries":0,"resends":0,"dead_letters":0}','38a20f5d949bd4b0c73b975b8507007ebba78c85fb8098a8820a85f99808f613');
INSERT INTO jobs VALUES(2,'words','words','{"workload":"words","manner":{"mode":"ascii","characters":false,"frequencies":true},"files":{"links":"skip","roots":[{"name":"0","class":"local","prefix":{"path":"u/"}}],"starts":[{"root":0,"file":null}]}}',1795269228.8363234997,1795269228.8452141285,1,1,1,'{"tasks_planned":1,"tasks_done":1,"tasks_failed":0,"tasks_open":0,"items_planned":1,"items_done":1,"items_failed":0,"items_skipped":{},"bytes_planned":2,"bytes_done":2,"totals":{"characters":2,"lines":1,"words":1},"duplicates":0,"conflicts":0,"redeliveries":0,"resends":0,"dead_letters":0}','e184dad53d4622edfb06589264f0bdd9873356f8c6c82fcb4e338633855482ad');
INSERT INTO jobs VALUES(3,'open','digest','{"workload":"digest","algorithm":"sha1","files":{"links":"skip","roots":[{"name":"0","class":"local","prefix":{"path":"o/"}}],"starts":[{"root":0,"file":null}]}}',1795269237.9452285766,NULL,2,2,1,'{"tasks_planned":2,"tasks_done":1,"tasks_failed":0,"tasks_open":1,"items_planned":2,"items_done":1,"items_failed":0,"items_skipped":{},"bytes_planned":1099511627778,"bytes_done":2,"duplicates":0,"conflicts":0,"redeliveries":0,"resends":0,"dead_letters":0}',NULL);
INSERT INTO jobs VALUES(4,'half','digest','{"workload":"digest","algorithm":"sha1","files":{"links":"skip","roots":[{"name":"0","class":"local","prefix":{"path":""}}],"starts":[{"root":0,"file":{"path":"f"}}]}}',1795269240.9357519149,1795269240.9403736591,1,1,1,'{"tasks_planned":1,"tasks_done":0,"tasks_failed":1,"tasks_open":0,"items_planned":1,"items_done":0,"items_failed":1,"items_skipped":{},"bytes_planned":4,"bytes_done":0,"duplicates":0,"conflicts":0,"redeliveries":0,"resends":4,"dead_letters":1}','ba8fb403607b5e5ab3a6f3ddde296c79b29f9f14d73b9f5f497620a128e598a0');
CREATE TABLE tasks (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,
    class   TEXT NOT NULL,
    items   INTEGER NOT NULL,
    body    TEXT,                     -- NULL: nothing to do, failures and skips only
    failed  TEXT,                     -- JSON: what failed in planning
    skipped TEXT,                     -- JSON: what was left out
    resume  TEXT NOT NULL,            -- JSON: where the plan goes on
    PRIMARY KEY (job_id, number)
) STRICT;
INSERT INTO tasks VALUES(1,0,'local',3,'{"algorithm":"sha1","files":{"links":"skip","root":"0","items":[{"path":"0","size":2},{"path":"1","size":2},{"path":"2","size":2}]}}',NULL,NULL,'{"start":0,"after":{"path":"2"}}');
INSERT INTO tasks VALUES(2,0,'local',1,'{"manner":{"mode":"ascii","characters":false,"frequencies":true},"files":{"links":"skip","root":"0","items":[{"path":"x","size":2}]}}',NULL,NULL,'{"start":0,"after":{"path":"x"}}');
INSERT INTO tasks VALUES(3,0,'local',1,'{"algorithm":"sha1","files":{"links":"skip","root":"0","items":[{"path":"a","size":2}]}}',NULL,NULL,'{"start":0,"after":{"path":"a"}}');
INSERT INTO tasks VALUES(3,1,'local',1,'{"algorithm":"sha1","files":{"links":"skip","root":"0","items":[{"path":"b","size":1099511627776}]}}',NULL,NULL,'{"start":0,"after":{"path":"b"}}');
INSERT INTO tasks VALUES(4,0,'local',1,'{"algorithm":"sha1","files":{"links":"skip","root":"0","items":[{"path":"f","size":4}]}}',NULL,NULL,'{"start":0,"after":{"path":"f"}}');
CREATE TABLE outcomes (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,
    status  TEXT NOT NULL CHECK (status IN ('done', 'failed')),
    attempt INTEGER NOT NULL,
    answer  TEXT NOT NULL,            -- JSON of the workload, or the reason of the failure
    host    TEXT NOT NULL,
    micros  INTEGER NOT NULL,         -- how long it took there
    run     TEXT,                     -- whose parts belong to it, if it has any
    PRIMARY KEY (job_id, number)
) STRICT;
INSERT INTO outcomes VALUES(1,0,'done',1,'{"digests":["09d2af8dd22201dd8d48e5dcfcaed281ff9422c7","e5fa44f2b31c1fb553b6021e7360d07d5d91ff5e","7448d8798a4380162d4b56f9b452e2f6f9e24e7a"],"bytes":6}','node-01',273,NULL);
INSERT INTO outcomes VALUES(2,0,'done',1,'{"counts":[{"lines":1,"words":1,"characters":2,"bytes":2}],"check":"af63f54c86021707"}','node-01',172,'v9394bhr3n34mo8c');
INSERT INTO outcomes VALUES(3,0,'done',1,'{"digests":["3f786850e387550fdab836ed7e6dc881de23001b"],"bytes":2}','node-01',187,NULL);
INSERT INTO outcomes VALUES(4,0,'failed',5,'{"reason":"out of memory","stderr":"Killed"}','node-07',251,NULL);
CREATE TABLE parts (
    job_id  INTEGER NOT NULL REFERENCES jobs (id),
    number  INTEGER NOT NULL,         -- the task
    run     TEXT NOT NULL,            -- one try at it; those that outcomes do not name are left over
    part    INTEGER NOT NULL,
    item    INTEGER,                  -- counts only if this item has a result
    body    BLOB NOT NULL,
    PRIMARY KEY (job_id, number, run, part)
) STRICT;
INSERT INTO parts VALUES(2,0,'v9394bhr3n34mo8c',0,NULL,X'3109780a');
CREATE TABLE sums (
    label TEXT PRIMARY KEY,           -- such as "caravan NAME"
    total INTEGER NOT NULL
) STRICT;
CREATE TABLE dead_letters (
    id     INTEGER PRIMARY KEY,
    job    TEXT NOT NULL,
    number INTEGER NOT NULL,
    reason TEXT NOT NULL,
    at     REAL NOT NULL              -- seconds since 1970
) STRICT;
INSERT INTO dead_letters VALUES(1,'half',0,'given up by the broker (delivery_limit)',1795269240.5);
CREATE VIEW job_summary AS
SELECT job, workload,
       CASE WHEN finished_at IS NOT NULL THEN 'finished' WHEN sealed IS NOT NULL THEN 'running'
            ELSE 'planning' END AS state,
       datetime(opened_at, 'unixepoch') AS opened, datetime(finished_at, 'unixepoch') AS finished,
       counts ->> '$.tasks_planned' AS tasks_planned, counts ->> '$.tasks_done' AS tasks_done,
       counts ->> '$.tasks_failed' AS tasks_failed, counts ->> '$.items_planned' AS items_planned,
       counts ->> '$.items_done' AS items_done, counts ->> '$.items_failed' AS items_failed,
       counts ->> '$.bytes_done' AS bytes_done, counts ->> '$.duplicates' AS duplicates,
       counts ->> '$.resends' AS resends, report_sha256
FROM jobs;
CREATE VIEW files AS
SELECT jobs.job, tasks.number AS task, item.key AS item, tasks.body ->> '$.files.root' AS root,
       item.value ->> '$.path' AS path, item.value ->> '$.path_base64' AS path_base64,
       item.value ->> '$.size' AS size,
       json_extract(outcomes.answer, '$.digests[' || item.key || ']') AS digest,
       outcomes.status AS task_status, outcomes.host
FROM tasks
JOIN jobs ON jobs.id = tasks.job_id
JOIN json_each(tasks.body, '$.files.items') AS item
LEFT JOIN outcomes USING (job_id, number)
WHERE jobs.workload = 'digest';
CREATE VIEW word_counts AS
SELECT jobs.job, tasks.number AS task, item.key AS item, tasks.body ->> '$.files.root' AS root,
       item.value ->> '$.path' AS path, item.value ->> '$.path_base64' AS path_base64,
       count.value ->> '$.lines' AS lines, count.value ->> '$.words' AS words,
       count.value ->> '$.characters' AS characters, count.value ->> '$.bytes' AS bytes,
       outcomes.status AS task_status, outcomes.host
FROM tasks
JOIN jobs ON jobs.id = tasks.job_id
JOIN json_each(tasks.body, '$.files.items') AS item
LEFT JOIN outcomes USING (job_id, number)
LEFT JOIN json_each(outcomes.answer, '$.counts') AS count ON count.key = item.key
WHERE jobs.workload = 'words';
CREATE VIEW failures AS
SELECT jobs.job, tasks.number AS task, plan.value ->> '$.name.path' AS path,
       plan.value ->> '$.name.path_base64' AS path_base64, plan.value ->> '$.reason' AS reason
FROM tasks JOIN jobs ON jobs.id = tasks.job_id JOIN json_each(tasks.failed) AS plan
UNION ALL
SELECT jobs.job, tasks.number, file.value ->> '$.path', file.value ->> '$.path_base64', item.value ->> '$.reason'
FROM tasks JOIN jobs ON jobs.id = tasks.job_id JOIN outcomes USING (job_id, number)
JOIN json_each(outcomes.answer, '$.failed') AS item
JOIN json_each(tasks.body, '$.files.items') AS file ON file.key = item.value ->> '$.item'
WHERE outcomes.status = 'done'
UNION ALL
SELECT jobs.job, outcomes.number, NULL, NULL, outcomes.answer ->> '$.reason'
FROM outcomes JOIN jobs ON jobs.id = outcomes.job_id WHERE outcomes.status = 'failed';
COMMIT;
PRAGMA user_version = 2;
