//! `packhorse doctor`: a healthy set-up has nothing to complain of, and each seeded fault leads to one
//! finding, and to no other.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use shared::protocol::id::{Class, ConsumerId};
use shared::protocol::message::{Message, Presence, kind};
use shared::protocol::topology::{self, CONTROL, DEAD, PRESENCE, TASKS, Topology};
use shared::protocol::workload::Workload;
use shared::transport::{Transport, connect};

use crate::broker;
use crate::cluster::Cluster;
use crate::hostile::as_nobody;
use crate::world::{CONSUMER, Done, PACKHORSE, REDUCER};

/// What the findings that are not `ok` are about. The exit code follows from them.
pub fn troubles(done: &Done) -> Vec<String> {
    let findings = done.json();
    assert!(!findings.is_empty(), "{}", done.err);
    let fails = findings.iter().any(|finding| finding["level"] == "fail");
    assert_eq!(done.code, i32::from(fails), "{findings:?}");
    assert_eq!(done.err, "");
    let troubles = findings.iter().filter(|finding| finding["level"] != "ok");
    for finding in troubles.clone() {
        let text = |name: &str| finding[name].as_str().expect("text");
        // What to do, if not in the words of the error itself, after what happened.
        assert!(!text("what").is_empty() && (!text("do").is_empty() || text("what").contains(". ")), "{finding}");
        // Shown with a test that fails.
        eprintln!("{finding}");
    }
    troubles.map(|finding| finding["subject"].as_str().expect("text").to_owned()).collect()
}

fn look(cluster: &Cluster, more: &[&str]) -> Vec<String> {
    look_at(cluster, cluster.url(), more)
}

fn look_at(cluster: &Cluster, url: &str, more: &[&str]) -> Vec<String> {
    let args = [&["doctor", "--json", "--broker", url], more].concat();
    troubles(&cluster.world.command(PACKHORSE, args).done())
}

const NOTHING: [&str; 0] = [];

/// Faults in what the command is told, and on this machine.
#[tokio::test]
async fn each_fault_of_a_machine_is_one_finding() {
    let cluster = Cluster::around(broker::own().await);
    let world = &cluster.world;
    world.tree("t", 1);
    let root = ["--root", "t=t"];
    assert_eq!(look(&cluster, &root), ["owners", "consumers"], "nobody is there yet");
    let (reducer, consumer) = (cluster.reducer(&[]), cluster.consumer(&[]));
    assert_eq!(look(&cluster, &root), NOTHING, "all is well");
    let text = world.packhorse(["doctor", "--broker", cluster.url(), "--root", "t=t"]).exits(0).out;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.lines().all(|line| line.starts_with("ok    ") && line.contains(": ")), "{text}");
    assert!(text.contains("owner main (") && text.contains("serves any t"), "{text}");

    let port = cluster.url().rsplit(':').next().and_then(|rest| rest.split('/').next()).expect("a port").to_owned();
    // Bound no longer than this statement.
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let with = |old: &str, new: &str| cluster.url().replace(old, new);
    assert_eq!(look_at(&cluster, &with("127.0.0.1", "no-such-host.invalid"), &root), ["host"]);
    assert_eq!(look_at(&cluster, &with(&format!(":{port}/"), &format!(":{nobody}/")), &root), ["port"]);
    assert_eq!(look_at(&cluster, &with(&format!(":{port}/"), &format!(":{}/", not_a_broker())), &root), ["handshake"]);
    assert_eq!(look_at(&cluster, &with("guest:guest@", "guest:wrong@"), &root), ["login"]);
    assert_eq!(look_at(&cluster, &format!("{}x", cluster.url()), &root), ["virtual host"]);

    assert_eq!(look(&cluster, &["--root", "t=absent"]), ["root t"]);
    std::fs::set_permissions(world.path("t"), PermissionsExt::from_mode(0o0)).expect("it is ours");
    let args = ["doctor", "--json", "--broker", cluster.url(), "--role", "consumer", "--root", "t=t"];
    assert_eq!(troubles(&as_nobody(world, &args).wait()), ["root t"]);
    std::fs::set_permissions(world.path("t"), PermissionsExt::from_mode(0o755)).expect("it is ours");

    let few = r#"ulimit -n 60 && exec "$@""#;
    let args = ["-c", few, "sh", PACKHORSE, "doctor", "--json", "--broker", cluster.url(), "--root", "t=t"];
    assert_eq!(troubles(&world.command("sh", args).done()), ["open files"]);
    assert_eq!(look(&cluster, &["--root", "t=t", "--state", "/proc/self/jobs.sqlite"]), ["state"]);
    let keys = world.file("keys", "none").display().to_string();
    assert_eq!(look(&cluster, &["--root", "t=t", "--key-file", &keys]), ["keys"]);

    assert_eq!(look(&cluster, &["--root", "t=t", "--ack-timeout", "30"]), ["acknowledgement time-out"]);

    // What doctor takes for granted of a role that does nothing.
    for role in [&reducer, &consumer] {
        let open = std::fs::read_dir(format!("/proc/{}/fd", role.id())).expect("it runs").count();
        assert!(open < 64, "an idle role has {open} open files");
        eprintln!("an idle role has {open} open files");
    }
    world.packhorse(["doctor"]).exits(2);
    world.packhorse(["doctor", "--broker", cluster.url(), "--root", "t"]).exits(2);
    for role in [reducer, consumer] {
        role.stop().exits(0);
    }
    // It has left nothing behind.
    cluster.assert_tidy().await;
}

/// A server that is none of ours.
fn not_a_broker() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("accepted");
            // The first connection only knocks.
            if stream.read(&mut [0; 8]).is_ok_and(|count| count > 0) {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        }
    });
    port
}

/// A heartbeat as a consumer sends it.
fn presence(version: &str, at: SystemTime) -> Message {
    let body = Presence {
        consumer: ConsumerId::from_name(b"strange"),
        host: "far".to_owned(),
        version: version.to_owned(),
        lanes: Vec::new(),
        holds: Vec::new(),
        heartbeat_millis: 60_000,
        leaving: false,
        roots: Vec::new(),
        troubles: Vec::new(),
    };
    Message::json(kind::PRESENCE, "strange".to_owned(), &body, at)
}

/// What is found while somebody says this again and again.
async fn while_hearing(cluster: &Cluster, transport: &Arc<dyn Transport>, message: Message) -> Vec<String> {
    let speaker = Arc::clone(transport);
    let speaking = tokio::spawn(async move {
        loop {
            speaker.publish(CONTROL, PRESENCE, message.clone()).await.expect("published");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let troubles = tokio::task::block_in_place(|| look(cluster, &["--root", "t=t"]));
    speaking.abort();
    troubles
}

/// Faults of the broker, and of those who meet at it.
#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_broker_is_one_finding() {
    let cluster = Cluster::around(broker::own().await);
    cluster.world.tree("t", 1);
    let root = ["--root", "t=t"];
    let (_reducer, _consumer) = (cluster.reducer(&[]), cluster.consumer(&[]));
    let transport = connect(cluster.broker.url(), None).await.expect("the broker is there");
    assert_eq!(look(&cluster, &root), NOTHING, "all is well");

    let now = SystemTime::now();
    let ours = env!("CARGO_PKG_VERSION");
    assert_eq!(while_hearing(&cluster, &transport, presence("0.0.1", now)).await, ["versions"]);
    let past = now - Duration::from_secs(60);
    assert_eq!(while_hearing(&cluster, &transport, presence(ours, past)).await, ["clock"]);

    let (mut queue, binding) = topology::tasks(Workload::Digest, &Class::from_name(b"other"));
    queue.messages_max = Some(7);
    let name = queue.name.clone();
    let bindings = vec![binding];
    transport.declare(&Topology { queues: vec![queue], bindings, ..Topology::default() }).await.expect("declared");
    assert_eq!(look(&cluster, &["--role", "consumer", "--root", "other=t"]), [format!("queue {name}")]);

    let plain = |url: &shared::transport::BrokerUrl| url.to_string().replace(":***@", ":secret@");
    // May do all but answer.
    let mute = cluster.broker.user(".*", r"^packhorse\.v1\.(control|dead|tasks|consumer\..*)$", ".*").await;
    let found = look_at(&cluster, &plain(&mute), &["--role", "consumer", "--root", "t=t"]);
    assert_eq!(found, ["permissions (consumer)"]);
    let one = cluster.broker.user(".*", ".*", ".*").await;
    cluster.broker.limit_user(&one, r#"{"max-connections": 2}"#).await;
    let found = look_at(&cluster, &plain(&one), &["--connect-timeout", "3", "--root", "t=t"]);
    assert_eq!(found, ["connections"]);

    cluster.broker.set_memory_alarm(true).await;
    assert_eq!(look(&cluster, &root), ["alarm"]);
    cluster.broker.set_memory_alarm(false).await;
    assert_eq!(look(&cluster, &root), NOTHING, "all is well again");
    cluster.broker.set_disk_alarm(true).await;
    assert_eq!(look(&cluster, &root), ["alarm"]);
    cluster.broker.set_disk_alarm(false).await;
    assert_eq!(look(&cluster, &root), NOTHING, "all is well once more");

    // What policies do, to all queues and to those of one form of name; the reducer and the consumer have theirs.
    for (pattern, definition) in [
        (".*", r#"{"message-ttl":1000}"#),
        (r"^packhorse\.v1\.tasks\.", r#"{"message-ttl":0}"#),
        (r"^packhorse\.v1\.replies\.", r#"{"expires":1000}"#),
        (r"^packhorse\.v1\.control\.", r#"{"max-length":20}"#),
        (r"^packhorse\.v1\.control\.", r#"{"max-length-bytes":50000}"#),
        (r"^packhorse\.v1\.tasks\.", r#"{"dead-letter-routing-key":"elsewhere"}"#),
        (r"^packhorse\.v1\.owner\.", r#"{"delivery-limit":2}"#),
    ] {
        cluster.broker.set_policy("doctor", pattern, definition).await;
        assert_eq!(look(&cluster, &root), ["policies"], "{definition}");
    }
    cluster.broker.clear_policy("doctor").await;
    assert_eq!(look(&cluster, &root), NOTHING, "no policy is left");

    // What nobody takes.
    transport.publish(DEAD, "a.b.c", presence(ours, now)).await.expect("published");
    assert_eq!(look(&cluster, &root), ["dead letters"]);
    transport.publish(TASKS, "digest.nobody.nobody", presence(ours, now)).await.expect("published");
    assert_eq!(look(&cluster, &root), ["dead letters", "unrouted messages"]);
    // What a policy has taken, although it is gone: nobody consumes from that queue.
    cluster.broker.set_policy("doctor", r"^packhorse\.v1\.tasks\.", r#"{"message-ttl":0}"#).await;
    transport.publish(TASKS, "digest.other.nobody", presence(ours, now)).await.expect("published");
    cluster.broker.clear_policy("doctor").await;
    let text = cluster.world.packhorse(["doctor", "--broker", cluster.url(), "--root", "t=t"]).exits(0).out;
    let text = String::from_utf8(text).expect("UTF-8");
    assert!(text.contains("1 of the oldest were taken out of their queues by a policy"), "{text}");
    transport.close().await;
}

#[tokio::test]
async fn limits_that_are_too_small_are_found() {
    let small = "max_message_size = 65536\nchannel_max = 8\n";
    let cluster = Cluster::around(broker::configured(small.to_owned()).await);
    cluster.world.tree("t", 1);
    let found = look(&cluster, &["--role", "consumer", "--root", "a=t", "--root", "b=t"]);
    assert_eq!(found, ["limits", "message size"]);
}

/// A connection whose only channel is in use can do nothing more, however often it is made anew.
#[tokio::test]
async fn too_few_channels_are_found_and_no_role_waits_for_more() {
    let cluster = Cluster::around(broker::configured("channel_max = 1\n".to_owned()).await);
    cluster.world.tree("t", 1);
    let started = Instant::now();
    assert_eq!(look(&cluster, &["--role", "consumer", "--root", "t=t"]), ["limits"]);
    assert!(started.elapsed() < Duration::from_secs(10), "it took {:?}", started.elapsed());
    for (program, args) in [
        (CONSUMER, &["--root", "t=t"][..]),
        (REDUCER, &[]),
        (PACKHORSE, &["sha1", "t"]),
        (PACKHORSE, &["jobs"]),
        (PACKHORSE, &["producer", "sha1", "t"]),
    ] {
        let done = cluster.run(program, args).exits(3);
        assert!(
            done.err.contains("allows 1 channels on it, and a role needs at least 4. Raise channel_max"),
            "{args:?}: {}",
            done.err
        );
    }
}
