//! Roles of the version before and of this one at one job, over queues that the version before made.
//!
//! The consumer of the version before is the one in Python of docs/PROTOCOL.md: like it, it knows no leases and
//! no cancellations. Its owner is `versions/owner.py`, and its store the one that migrations are tested with.

use crate::cluster::Cluster;
use crate::foreign;
use crate::world::{PACKHORSE, assert_same, eventually};

const OWNER: &str = include_str!("versions/owner.py");
const STORE: &str = include_str!("../../reducer/src/store/version-2.sql");

/// Makes the open job of that store one of the service `main` over the root `t`, with forty tasks to do.
const OPEN: &str = r#"
UPDATE store SET owner = 'main';
UPDATE jobs SET sealed = 41,
    spec = replace(replace(spec, '"name":"0","class":"local"', '"name":"t","class":"t"'), '"path":"o/"', '"path":"t/"'),
    counts = json_set(counts, '$.tasks_planned', 41, '$.tasks_open', 40, '$.items_planned', 41, '$.bytes_planned', 82)
WHERE job = 'open';
UPDATE tasks SET class = 't', body = replace(replace(body, '"root":"0"', '"root":"t"'), '1099511627776', '2')
WHERE job_id = 3;
WITH RECURSIVE n(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < 40)
INSERT INTO tasks SELECT 3, n, 't', 1,
    '{"algorithm":"sha1","files":{"links":"skip","root":"t","items":[{"path":"b' || printf('%03d', n)
        || '","size":2}]}}',
    NULL, NULL, '{"start":0,"after":{"path":"b' || printf('%03d', n) || '"}}' FROM n;
"#;

/// The owner of the version before, once its queues are there.
fn owner(cluster: &Cluster, paths: &[String]) -> crate::world::Process {
    cluster.world.file("owner.py", OWNER);
    let args = ["owner.py", cluster.url(), "t"].into_iter().map(str::to_owned).chain(paths.iter().cloned());
    let owner = cluster.world.command("/usr/bin/python3", args).start();
    owner.says("its queues are there");
    owner
}

/// A consumer of the version before, on a host of that name.
fn before(cluster: &Cluster) -> crate::world::Process {
    foreign::consumer(cluster, &foreign::program().replace("socket.gethostname()", "\"before\""))
}

fn names() -> Vec<String> {
    ["a", "b"].map(str::to_owned).into_iter().chain((2..=40).map(|number| format!("b{number:03}"))).collect()
}

/// What an owner of the version before sends is done by consumers of both, and what it is answered it knows.
#[tokio::test]
async fn consumers_of_both_versions_work_for_the_owner_of_the_version_before() {
    let cluster = Cluster::new().await;
    for name in names() {
        cluster.world.sparse(&format!("t/{name}"), 32 << 20);
    }
    let wanted = cluster.world.sha1sum(&["t"]);
    let owner = owner(&cluster, &names());
    let before = before(&cluster);
    eventually("it has begun", || names().iter().any(|name| before.has_open(format!("t/{name}"))).then_some(()));
    let ours = cluster.consumer(&["-j", "1"]);
    let done = owner.wait().exits(0);
    assert_same(&done.out, &wanted);
    assert!(done.err.contains("refused: ") && done.err.contains(" 2 hosts"), "{}", done.err);
    drop((before, ours));
}

/// A job that was begun by the version before ends with its whole account: its store is brought up, its queues stay.
#[tokio::test]
async fn a_job_begun_by_the_version_before_is_done_by_consumers_of_both_versions() {
    let cluster = Cluster::new().await;
    let world = &cluster.world;
    world.file("t/a", "a\n");
    for name in names().iter().skip(1) {
        world.sparse(&format!("t/{name}"), 64 << 20);
    }
    let wanted = world.sha1sum(&["t"]);
    // A query that begins with a comment is an option for the shell.
    world.sql("store", &format!("\n{STORE}{OPEN}"));
    let older = owner(&cluster, &["none".to_owned()]);
    let foreign = before(&cluster);
    older.wait().exits(0);
    let ours = cluster.consumer(&["-j", "1"]);
    let reducer = cluster.reducer(&["--state", "store"]);
    cluster.reaches("open", "tasks_done", 41);
    assert_same(&cluster.report("open"), &wanted);
    let found = cluster.run(PACKHORSE, ["doctor", "--role", "reducer", "--root", "t=t"]).exits(0).out;
    let found = String::from_utf8(found).expect("text");
    for queue in ["tasks.digest.t", "owner.main"] {
        let warns = format!("warn  queue packhorse.v1.{queue}: the version before made it");
        assert!(found.contains(&warns), "{found}");
    }
    drop(foreign);
    ours.stop().exits(0);
    reducer.stop().exits(0);
    let shares =
        "SELECT host = 'before', count(*) > 0 FROM outcomes WHERE job_id = 3 AND number > 0 GROUP BY 1 ORDER BY 1";
    assert_eq!(world.sql("store", shares), "0|1\n1|1");
}
