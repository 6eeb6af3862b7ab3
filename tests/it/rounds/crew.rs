//! The roles of one round, started again when they are killed, as a service manager would do it.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use super::ROUND;
use super::job::Job;
use super::kind::Kind;
use crate::cluster::Cluster;
use crate::world::{CONSUMER, Done, PRODUCER, Process, REDUCER};

/// Between a role's death and its next start: systemd's default.
const RESTART: Duration = Duration::from_millis(100);

/// Longer than any round takes on a busy machine; one that reaches it hangs.
const LIMIT: Duration = Duration::from_secs(240);

/// Between two looks at the processes.
const LOOK: Duration = Duration::from_millis(10);

/// What RabbitMQ 3.10 answers when a deletion met a declaration half-way: until the node is restarted, nobody
/// can declare that name. See docs/RELIABILITY.md, "What is not covered".
const LOST_NAME: &str = "cluster_not_formed";

/// SIGKILL, as a shell has it.
const KILLED: i32 = 128 + 9;
const TERMINATED: i32 = 128 + 15;

/// The commands' own exit code.
const INTERRUPTED: i32 = 130;
const MISCONFIGURED: i32 = 2;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Reducer,
    Consumer(usize),
    Producer,
}

/// How many consumers there are, of one slot each.
pub const CONSUMERS: usize = 2;

/// Everyone.
pub const ALL: [Role; 2 + CONSUMERS] = [Role::Reducer, Role::Consumer(0), Role::Consumer(1), Role::Producer];

/// A role's place in the crew.
struct Post {
    role: Role,
    process: Option<Process>,
    /// It was killed by us.
    doomed: bool,
    /// When it is started again.
    due: Option<Instant>,
    asleep: bool,
}

/// All roles of a round.
pub struct Crew<'a> {
    pub cluster: &'a Cluster,
    job: &'a Job,
    kind: Kind,
    posts: RefCell<Vec<Post>>,
    ready: Cell<bool>,
    over: Cell<bool>,
    /// Jobs that came to their end.
    ended: Cell<u32>,
    /// The operator has restarted a broker that lost a queue's name.
    restarted: Cell<bool>,
}

impl<'a> Crew<'a> {
    /// Everyone is started after this long, the producer as soon as the reducer answers.
    pub fn new(kind: Kind, cluster: &'a Cluster, job: &'a Job, delay: Duration) -> Self {
        let due = Some(Instant::now() + delay);
        let posts = ALL.map(|role| Post { role, process: None, doomed: false, due, asleep: false });
        Self {
            cluster,
            job,
            kind,
            posts: RefCell::new(posts.into()),
            ready: Cell::default(),
            over: Cell::default(),
            ended: Cell::default(),
            restarted: Cell::default(),
        }
    }

    fn launch(&self, role: Role) -> Process {
        let (root, id) = (self.job.root(), self.job_id());
        let (program, arguments): (_, &[&str]) = match role {
            Role::Reducer => (REDUCER, &["--heartbeat", "1", "--output-dir", "reports"]),
            Role::Consumer(_) => (CONSUMER, &["--root", &root, "-j", "1", "--heartbeat", "1"]),
            Role::Producer => (PRODUCER, &["sha1", &root, "--job", &id, "--json"]),
        };
        let command = self.cluster.world.command(program, arguments).env("PACKHORSE_BROKER", self.cluster.url());
        if is_traced() { command.env("PACKHORSE_LOG", "debug") } else { command }.start()
    }

    /// Whether the producer has ended by itself.
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// The id of the present job.
    pub fn job_id(&self) -> String {
        match self.ended.get() {
            0 => ROUND.to_owned(),
            count => format!("{ROUND}-{count}"),
        }
    }

    /// The producer begins with another job.
    pub fn begin_next(&self) {
        self.over.set(false);
        self.ended.set(self.ended.get() + 1);
        self.with(Role::Producer, |post| post.due = Some(Instant::now()));
    }

    /// SIGKILL.
    pub fn kill(&self, role: Role) {
        self.with(role, |post| {
            if let Some(process) = &mut post.process {
                process.strike();
                post.doomed = true;
            }
        });
    }

    /// SIGSTOP.
    pub fn stop(&self, role: Role) {
        self.with(role, |post| {
            if let Some(process) = &post.process {
                process.signal("STOP");
                post.asleep = true;
            }
        });
    }

    /// SIGCONT to everyone who was stopped; whether there was one.
    pub fn wake(&self) -> bool {
        let mut posts = self.posts.borrow_mut();
        let mut woken = false;
        for post in posts.iter_mut().filter(|post| post.asleep) {
            post.asleep = false;
            woken = true;
            post.process.iter().for_each(|process| process.signal("CONT"));
        }
        woken
    }

    fn with(&self, role: Role, act: impl FnOnce(&mut Post)) {
        let mut posts = self.posts.borrow_mut();
        act(posts.iter_mut().find(|post| post.role == role).expect("everyone has a post"));
    }

    /// Starts again whoever was killed, until the producer ends by itself.
    pub async fn supervise(&self) -> Done {
        let give_up = Instant::now() + LIMIT;
        loop {
            let ended = self.posts.borrow_mut().iter_mut().find_map(|post| self.look_after(post));
            if let Some(done) = ended {
                self.over.set(true);
                return done;
            }
            if self.kind.deletes_a_queue() && !self.restarted.get() && self.say().contains(LOST_NAME) {
                self.restarted.set(true);
                eprintln!("the broker lost the name of a queue, and is restarted");
                self.cluster.broker.kill().await;
                self.cluster.broker.start().await;
            }
            assert!(Instant::now() < give_up, "the round does not end; {}", self.say());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// How the producer ended, if it did so by itself.
    fn look_after(&self, post: &mut Post) -> Option<Done> {
        let waits = post.role == Role::Producer && !self.ready.get();
        if !waits && post.due.is_some_and(|due| due <= Instant::now()) {
            post.due = None;
            post.process = Some(self.launch(post.role));
        }
        if post.role == Role::Reducer && !self.ready.get() {
            self.ready.set(post.process.as_ref()?.so_far().contains("The reducer is ready."));
        }
        if !post.process.as_mut()?.has_ended() {
            return None;
        }
        let done = post.process.take()?.wait();
        self.tell(post.role, &done.err);
        let killed = std::mem::take(&mut post.doomed) && done.code == KILLED;
        if killed || self.was_refused(&done) {
            post.due = Some(Instant::now() + RESTART);
            return None;
        }
        if post.role == Role::Producer {
            return Some(done);
        }
        panic!("{:?} ended by itself with {}: {}; {}", post.role, done.code, done.err, self.say());
    }

    /// One that starts while there is no virtual host, or nobody has rights in it yet, takes that for a wrong
    /// setting.
    fn was_refused(&self, done: &Done) -> bool {
        let is_refusal = done.code == MISCONFIGURED || done.err.contains("the broker does not let this user use");
        self.kind == Kind::BrokerWiped && is_refusal
    }

    /// Tells what a role said, where that is asked for.
    fn tell(&self, role: Role, said: &str) {
        if is_traced() {
            eprintln!("{role:?} said:\n{said}");
        }
    }

    /// What everyone has said, for a round that failed.
    fn say(&self) -> String {
        // Borrowed already where a role ended by itself.
        let Ok(posts) = self.posts.try_borrow() else { return String::new() };
        let said = posts.iter().map(|post| {
            let said = post.process.as_ref().map_or_else(|| "not running".to_owned(), Process::so_far);
            format!("{:?} said: {said}", post.role)
        });
        said.collect::<Vec<_>>().join("\n")
    }

    /// Stops whoever still runs; they end in order.
    pub fn dismiss(&self) {
        self.wake();
        let posts = self.posts.take();
        let running: Vec<_> = posts.into_iter().filter_map(|post| Some((post.role, post.process?))).collect();
        running.iter().for_each(|(_, process)| process.signal("TERM"));
        for (role, process) in running {
            let done = process.wait();
            self.tell(role, &done.err);
            // One that is just starting may not listen yet, or be interrupted while it connects.
            let stopped = matches!(done.code, 0 | INTERRUPTED | TERMINATED);
            assert!(stopped || self.was_refused(&done), "{}: {}", done.code, done.err);
        }
    }
}

/// Whether people want to know what the roles do.
fn is_traced() -> bool {
    std::env::var_os("PACKHORSE_ROUNDS_TRACE").is_some()
}
