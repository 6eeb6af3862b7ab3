//! The consumer in Python of docs/PROTOCOL.md takes part in jobs.

use crate::cluster::Cluster;
use crate::hostile;
use crate::world::{Process, assert_same};

/// As many lines as a consumer in another language may take.
const LINES_MAX: usize = 80;

/// The program as it stands in the document.
pub fn program() -> String {
    let document = include_str!("../../docs/PROTOCOL.md");
    let section = document.split_once("## A consumer in Python\n").expect("there is a section for it").1;
    let start = section.split_once("```python\n").expect("there is a program").1;
    start.split_once("```\n").expect("it ends").0.to_owned()
}

/// It runs with the system's Python and package.
pub fn consumer(cluster: &Cluster, program: &str) -> Process {
    cluster.world.file("consumer.py", program);
    cluster.world.command("/usr/bin/python3", ["consumer.py", cluster.url(), "t", "t"]).start()
}

#[test]
fn it_is_short() {
    let lines = program().lines().count();
    assert!(lines <= LINES_MAX, "{lines} lines");
}

#[tokio::test]
async fn a_consumer_in_python_alone_and_beside_ours_gives_the_same_bytes() {
    let cluster = Cluster::new().await;
    hostile::plant(&cluster.world, "t");
    cluster.world.tree("t/many", 3_000);
    let wanted = cluster.world.sha1sum(&["t"]);
    let reducer = cluster.reducer(&["--state", "store"]);

    let producer = cluster.producer(&["t", "--job", "alone"]);
    cluster.reaches("alone", "tasks_planned", 1);
    let foreign = consumer(&cluster, &program());
    producer.wait().exits(0);
    assert_same(&cluster.report("alone"), &wanted);
    drop(foreign);

    // The second one gives itself a name, so that the store tells who did what.
    let foreign = consumer(&cluster, &program().replace("socket.gethostname()", "\"python\""));
    for number in 0..40 {
        cluster.world.sparse(&format!("t/slow/{number}"), 64 << 20);
    }
    let wanted = cluster.world.sha1sum(&["t"]);
    let ours = cluster.consumer(&["-j", "1"]);
    cluster.producer(&["t", "--job", "both"]).wait().exits(0);
    assert_same(&cluster.report("both"), &wanted);
    let counts = cluster.status("both").expect("it is known")["counts"].clone();
    assert_eq!((&counts["items_failed"], &counts["conflicts"]), (&0.into(), &0.into()));
    drop((foreign, ours));
    reducer.stop().exits(0);
    let shares = "SELECT host = 'python', count(*) > 0 FROM outcomes JOIN jobs ON jobs.id = outcomes.job_id
                  WHERE job = 'both' GROUP BY 1 ORDER BY 1";
    assert_eq!(cluster.world.sql("store", shares), "0|1\n1|1");
}
