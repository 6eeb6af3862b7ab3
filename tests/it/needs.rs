//! Tasks that need others: `packhorse steps` alone, and over RabbitMQ with an owner that is killed
//! between a need and what needs it.

use crate::cluster::Cluster;
use crate::world::{CONSUMER, PRODUCER, World, counts, eventually};

/// What task n takes that needs the one before it: 0, 1, 3, 6, ...
fn expected(whips: u64) -> String {
    (0..whips).map(|number| format!("{number}\t{}\n", number * (number + 1) / 2)).collect()
}

#[test]
fn each_task_gets_the_answers_that_it_needs() {
    let world = World::new();
    let done = world.packhorse(["steps", "--whips", "200"]).exits(0);
    assert_eq!(String::from_utf8_lossy(&done.out), expected(200));
    assert!(done.err.contains("tasks   200 planned, 200 done, 0 failed"), "{}", done.err);
    // Each needs the two before it: a task takes 0, 1, 3, 7, 14, ... steps.
    let done = world.packhorse(["steps", "--whips", "6", "--needs", "2", "-q"]).exits(0);
    assert_eq!(String::from_utf8_lossy(&done.out), "0\t0\n1\t1\n2\t3\n3\t7\n4\t14\n5\t26\n");
}

#[test]
fn what_needs_a_task_that_cannot_be_done_fails_of_it_and_is_not_tried() {
    let world = World::new();
    let done = world.packhorse(["steps", "--whips", "50", "--needs", "40", "--job", "j"]).exits(1);
    // The steps double with each task, and no horse takes more than 32 bits of them.
    assert_eq!(done.out.iter().filter(|&&byte| byte == b'\n').count(), 33, "{}", done.err);
    assert!(done.err.contains("whip 33: no horse takes 8589934591 steps: more than 32 bits"), "{}", done.err);
    for number in 34..50 {
        let why = format!("whip {number}: it needs task j.33, which failed: no horse takes 8589934591 steps");
        assert!(done.err.contains(&why), "{}", done.err);
    }
    assert!(done.err.contains("tasks   50 planned, 33 done, 17 failed; 0 redelivered, 0 sent again"), "{}", done.err);
}

#[tokio::test]
async fn an_owner_that_is_killed_between_a_need_and_what_needs_it_goes_on() {
    let cluster = Cluster::new().await;
    let mut reducer = cluster.reducer(&["--state", "main.store"]);
    let consumer = cluster.ready(CONSUMER, &["--workload", "steps", "--heartbeat", "1"]);
    let producer = cluster.start(PRODUCER, ["steps", "--whips", "3000", "--job", "j", "-q"]);
    for goal in [1, 300, 1_000, 2_000] {
        eventually("enough is done", || {
            let done = cluster.status("j")?["counts"]["tasks_done"].as_u64()?;
            (done >= goal).then_some(())
        });
        reducer.kill();
        // Each task that is out is needed by all that are not.
        let store = "main.store";
        let waiting = cluster.world.sql(store, "SELECT count(*) FROM dependants WHERE waits > 0");
        assert!(waiting.parse::<u64>().expect("a number") > 0, "nothing waits in the store");
        reducer = cluster.reducer(&["--state", store]);
    }
    producer.wait().exits(0);
    assert_eq!(String::from_utf8_lossy(&cluster.report("j")), expected(3_000));
    let status = cluster.status("j").expect("it is known");
    assert_eq!(counts(&status, ["tasks_done", "tasks_failed", "conflicts"]), [3_000, 0, 0]);
    let leftover =
        cluster.world.sql("main.store", "SELECT (SELECT count(*) FROM dependants) + (SELECT count(*) FROM needs)");
    assert_eq!(leftover, "0");
    drop((consumer, reducer));
}
