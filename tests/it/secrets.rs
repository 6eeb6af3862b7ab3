//! Passwords and keys: in no log, however detailed, in no error, and in no process list unless someone
//! puts them on a command line.

use std::fs;

use crate::broker::{self, Broker};
use crate::world::{CONSUMER, Done, PACKHORSE, PRODUCER, Process, REDUCER, Run, World, assert_same, eventually};

/// Has what URLs must escape, and what appears nowhere by chance.
const PASSWORD: &str = "s3cret/w0rd@x";
const ESCAPED: &str = "s3cret%2Fw0rd%40x";

struct Guarded {
    world: World,
    broker: Broker,
    user: String,
    key: String,
}

impl Guarded {
    async fn new() -> Self {
        let (world, broker) = (World::new(), broker::shared().await);
        world.tree("t", 50);
        let user = broker::unique("keeper");
        broker.add_user(&user, PASSWORD).await;
        world.packhorse(["key", "new", "key"]).exits(0);
        let line = fs::read_to_string(world.path("key")).expect("a file");
        let key = line.trim().rsplit(' ').next().expect("a secret").to_owned();
        let guarded = Self { world, broker, user, key };
        guarded.world.file("url", format!("{}\n", guarded.url()));
        guarded
    }

    fn url(&self) -> String {
        let url = self.broker.url_as(&format!("{}:PASSWORD", self.user), self.broker.vhost()).to_string();
        url.replace(":***@", &format!(":{ESCAPED}@"))
    }

    /// A role that says all that it can, with a key.
    fn role(&self, program: &str, args: &[&str]) -> Run {
        self.world.command(program, args).env("PACKHORSE_LOG", "trace").env("PACKHORSE_KEY_FILE", "key")
    }

    fn assert_hidden(&self, what: &str, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        let bytes = |secret: &str| format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned();
        for secret in [PASSWORD, ESCAPED, &self.key, &bytes(PASSWORD), &bytes(&self.key)] {
            let found = text.lines().find(|line| line.contains(secret));
            assert!(found.is_none(), "{what} shows {secret}: {found:?}");
        }
    }

    fn assert_quiet(&self, what: &str, done: &Done) {
        self.assert_hidden(&format!("{what}, stderr"), done.err.as_bytes());
        self.assert_hidden(&format!("{what}, stdout"), &done.out);
    }

    /// What others on the machine may read of a process.
    fn assert_not_listed(&self, process: &Process) {
        // Empty for a moment, while the program is loaded.
        let line = || fs::read(format!("/proc/{}/cmdline", process.id())).ok().filter(|line| !line.is_empty());
        let line = eventually("a command line", line);
        self.assert_hidden("a process list", &line);
    }
}

#[tokio::test]
async fn the_most_detailed_logs_of_every_role_hide_the_password_and_the_key() {
    let guarded = Guarded::new().await;
    let wanted = guarded.world.sha1sum(&["t"]);
    let url = guarded.url();
    // Each way to give a URL: a file that the environment names, the environment, a flag.
    let reducer = guarded.role(REDUCER, &["--heartbeat", "1"]).env("PACKHORSE_BROKER_FILE", "url").start();
    let consumer = guarded.role(CONSUMER, &["--root", "t=t"]).env("AMQP_URL", &url).start();
    for role in [&reducer, &consumer] {
        role.says("is ready.");
        guarded.assert_not_listed(role);
    }
    let submit = guarded.role(PRODUCER, &["sha1", "t", "--job", "j"]).env("AMQP_URL_FILE", "url").start();
    guarded.assert_not_listed(&submit);
    let submit = submit.wait().exits(0);
    let fetched = guarded.role(REDUCER, &["--job", "j", "--broker", &url]).done().exits(0);
    assert_same(&fetched.out, &wanted);
    let own = guarded.role(PACKHORSE, &["sha1", "t"]).env("PACKHORSE_BROKER", &url).start();
    guarded.assert_not_listed(&own);
    let own = own.wait().exits(0);
    assert_same(&own.out, &wanted);
    let jobs = guarded.role(PACKHORSE, &["jobs"]).env("PACKHORSE_BROKER_FILE", "url").done().exits(0);
    let (consumer, reducer) = (consumer.stop().exits(0), reducer.stop().exits(0));
    for (what, done) in [
        ("producer", &submit),
        ("reducer --job", &fetched),
        ("packhorse sha1", &own),
        ("packhorse jobs", &jobs),
        ("consumer", &consumer),
        ("reducer", &reducer),
    ] {
        assert!(
            done.err.contains("DEBUG making the control connection to amqp://"),
            "{what} logs no details: {}",
            done.err
        );
        guarded.assert_quiet(what, done);
    }
}

#[tokio::test]
async fn errors_hide_what_a_wrong_url_holds() {
    let guarded = Guarded::new().await;
    let right = guarded.url();
    for url in [
        right.replace("keeper", "keepers"),
        right.replace(guarded.broker.vhost(), "nowhere"),
        right.replace("amqp://", "http://"),
        right.replace("amqp://", "amqps://"),
        right.replace("amqp://", ""),
        right.replacen(':', ":%zz", 2).replace("amqp:%zz", "amqp:"),
        right.replace(ESCAPED, PASSWORD),
        format!("{right}?heartbeat=never"),
    ] {
        for by_file in [false, true] {
            guarded.world.file("wrong", &url);
            let run = guarded.role(PACKHORSE, &["jobs", "--connect-timeout", "1"]);
            let run =
                if by_file { run.env("PACKHORSE_BROKER_FILE", "wrong") } else { run.env("PACKHORSE_BROKER", &url) };
            let done = run.done();
            assert!(matches!(done.code, 2 | 3), "{url}: {done:?}");
            guarded.assert_quiet(&url, &done);
        }
    }
}
