//! Heartbeats: `packhorse ready` and `packhorse health`, and everything that must make them false.

use std::time::Duration;

use crate::broker;
use crate::cluster::Cluster;
use crate::world::{CONSUMER, Done, Process, REDUCER, World, eventually};

/// Two of the heartbeats here, and what a busy machine may add between a sign and its file.
const TWO_HEARTBEATS: Duration = Duration::from_millis(2_000 + 500);

const ROLES: [&str; 2] = ["consumer", "reducer"];

fn look(world: &World, command: &str, role: &str) -> Done {
    world.packhorse([command, "--file", &format!("{role}.health")])
}

/// Waits until the command ends so for a role, and gives what it says.
fn becomes(world: &World, command: &str, role: &str, code: i32) -> String {
    eventually(&format!("{role}: {command} ends with {code}"), || {
        let done = look(world, command, role);
        (done.code == code).then(|| String::from_utf8_lossy(&done.out).into_owned())
    })
}

fn all_become_ready(world: &World) {
    for role in ROLES {
        assert!(becomes(world, "ready", role, 0).starts_with(&format!("ready: {role}, process ")));
    }
}

/// That nobody is ready two heartbeats from now, and what each is told then.
async fn none_is_ready_in_two_heartbeats(world: &World, told: &str) {
    tokio::time::sleep(TWO_HEARTBEATS).await;
    for role in ROLES {
        let said = String::from_utf8_lossy(&look(world, "ready", role).exits(1).out).into_owned();
        assert!(said.starts_with("not ready: ") && said.contains(told), "{said}");
    }
    for role in ROLES {
        assert!(becomes(world, "health", role, 1).starts_with("unhealthy: "));
    }
}

fn start(cluster: &Cluster, role: &str) -> Process {
    let (program, args): (_, &[&str]) =
        if role == "consumer" { (CONSUMER, &["--root", "t=t"]) } else { (REDUCER, &[]) };
    let file = cluster.world.path(format!("{role}.health"));
    let command = cluster.world.command(program, args.iter().chain(&["--heartbeat", "1"]));
    command.env("PACKHORSE_BROKER", cluster.url()).env("PACKHORSE_HEALTH_FILE", file).start()
}

#[tokio::test]
async fn who_neither_works_nor_polls_is_not_ready_after_two_heartbeats() {
    let cluster = Cluster::around(broker::own().await);
    let world = &cluster.world;
    world.tree("t", 1);
    world.packhorse(["ready"]).exits(2);
    look(world, "ready", "consumer").exits(1);
    let roles = ROLES.map(|role| start(&cluster, role));
    all_become_ready(world);
    for role in ROLES {
        assert!(becomes(world, "health", role, 0).starts_with(&format!("healthy: {role}, process ")));
    }

    roles.iter().for_each(|role| role.signal("STOP"));
    none_is_ready_in_two_heartbeats(world, "it hangs, or has no connection").await;
    roles.iter().for_each(|role| role.signal("CONT"));
    all_become_ready(world);

    // Connections stay open, and nobody answers.
    cluster.broker.pause();
    none_is_ready_in_two_heartbeats(world, "it hangs, or has no connection").await;
    cluster.broker.resume();
    all_become_ready(world);

    cluster.broker.kill().await;
    none_is_ready_in_two_heartbeats(world, "it hangs, or has no connection").await;
    cluster.broker.start().await;
    all_become_ready(world);

    // Short of memory, the broker lets publishers wait, and the roles go on polling.
    cluster.broker.set_memory_alarm(true).await;
    tokio::time::sleep(TWO_HEARTBEATS).await;
    all_become_ready(world);
    cluster.broker.set_memory_alarm(false).await;

    roles.into_iter().for_each(Process::kill);
    for role in ROLES {
        let said = String::from_utf8_lossy(&look(world, "ready", role).exits(1).out).into_owned();
        assert!(said.contains("is gone"), "{said}");
    }
}

#[tokio::test]
async fn who_is_not_connected_yet_is_not_ready_whatever_was_before() {
    let cluster = Cluster::around(broker::absent());
    let world = &cluster.world;
    world.tree("t", 1);
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis();
    for role in ROLES {
        // In a container each process may have the number of the one before.
        let process = std::process::id();
        let sign =
            format!(r#"{{"role":"{role}","process":{process},"written_millis":{now},"heartbeat_millis":600000}}"#);
        world.file(format!("{role}.health"), sign);
        look(world, "ready", role).exits(0);
    }
    let roles = ROLES.map(|role| start(&cluster, role));
    for (role, process) in ROLES.iter().zip(&roles) {
        process.says("cannot reach the broker");
        assert!(becomes(world, "ready", role, 1).contains("no heartbeat"));
    }
    cluster.broker.start().await;
    all_become_ready(world);
}
