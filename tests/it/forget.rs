//! Jobs that are forgotten, when somebody asks for it or when they were kept long enough.

use crate::cluster::Cluster;
use crate::world::{CONSUMER, PACKHORSE, REDUCER, World, eventually};

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn a_job_that_ended_is_forgotten_when_asked_and_its_name_is_free_again() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 200);
    let _reducer = cluster.ready(REDUCER, &["--output-dir", "reports"]);
    let consumer = cluster.ready(CONSUMER, &["--root", "t=t"]);
    let forget = ["jobs", "forget", "j"];
    consumer.stop().exits(0);
    let producer = cluster.producer(&["t", "--job", "j"]);
    cluster.reaches("j", "items_planned", 200);
    let refused = cluster.run(PACKHORSE, forget).exits(3).err;
    assert!(refused.contains("job j has not ended"), "{refused}");
    let _consumer = cluster.ready(CONSUMER, &["--root", "t=t"]);
    producer.wait().exits(0);
    let report = std::fs::read(cluster.world.path("reports/j.txt")).expect("a report");

    assert_eq!(text(cluster.run(PACKHORSE, forget).exits(0).out), "forgot job j and its results\n");
    assert!(cluster.run(PACKHORSE, forget).exits(2).err.contains("has job j"));
    assert!(cluster.run(PACKHORSE, ["status", "j"]).exits(2).err.contains("has job j"));
    assert!(!text(cluster.run(PACKHORSE, ["jobs"]).exits(0).out).contains("digest"));
    assert_eq!(std::fs::read(cluster.world.path("reports/j.txt")).expect("it stays"), report);
    // The same request is a new job, whose tasks are done anew.
    let again = cluster.producer(&["t", "--job", "j"]).wait().exits(0).err;
    assert!(again.contains("200 done"), "{again}");
}

#[tokio::test]
async fn a_reducer_forgets_the_jobs_that_it_kept_long_enough() {
    let cluster = Cluster::new().await;
    cluster.world.tree("t", 20);
    let state = "reducer.state";
    let _consumer = cluster.ready(CONSUMER, &["--root", "t=t"]);
    let reducer = cluster.ready(REDUCER, &["--state", state]);
    cluster.producer(&["t", "--job", "j"]).wait().exits(0);
    cluster.producer(&["t", "--job", "later"]).wait().exits(0);
    reducer.stop().exits(0);
    cluster.world.sql(state, "UPDATE jobs SET finished_at = finished_at - 86400 * 2 WHERE job = 'j'");
    let _reducer = cluster.ready(REDUCER, &["--state", state, "--keep", "1.5"]);
    eventually("j is forgotten", || {
        let rows = cluster.world.sql(state, "SELECT count(DISTINCT job_id), (SELECT count(*) FROM jobs) FROM tasks");
        (rows == "1|1").then_some(())
    });
    let listed = text(cluster.run(PACKHORSE, ["jobs"]).exits(0).out);
    assert!(listed.contains("later") && listed.lines().count() == 2, "{listed}");
}

#[test]
fn a_job_in_a_store_is_forgotten_where_it_does_not_run() {
    let world = World::new();
    world.tree("t", 30);
    let run = ["sha1", "t", "--state", "s", "--job", "j", "-o", "m"];
    world.packhorse(run).exits(0);
    let receipt = world.packhorse(["jobs", "forget", "j", "--state", "s", "--json"]).exits(0).json().remove(0);
    assert_eq!((&receipt["job"], &receipt["state"]), (&"j".into(), &"finished".into()));
    assert_eq!(world.sql("s", "SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM tasks)"), "0");
    assert!(world.packhorse(["jobs", "forget", "j", "--state", "s"]).exits(2).err.contains("no job j in s"));
    assert!(world.packhorse(["jobs", "forget", "j", "--state", "none"]).exits(2).err.contains("no store none"));
    world.packhorse(run).exits(0);
    assert_eq!(world.sql("s", "SELECT state, tasks_done > 0 FROM job_summary"), "finished|1");
}
