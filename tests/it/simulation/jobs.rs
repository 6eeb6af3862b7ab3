//! The jobs of a run: what there is to plan, and what is the truth about it.
//!
//! A file's name says what becomes of it, so that every role and the oracle agree without talking.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt;
use rand::rngs::SmallRng;
use shared::protocol::id::{Class, JobId, Origin, OwnerId, PlanHash, TaskId};
use shared::protocol::job::JobSpec;
use shared::protocol::message::{JobRequest, Notes, PlanFailure, Planned};
use shared::protocol::path::PathBytes;
use shared::protocol::payload::Payload;
use shared::protocol::workload::files::{Files, Item, Links, Root, Selection, Start, Times};
use shared::protocol::workload::{digest, steps, words};
use shared::system::clock::Moment;

use super::chain;
use super::deeds::{Deed, Flavour};

/// A file, with what its name says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    pub name: String,
    /// When it was written last, in nanoseconds since 1970. Its size and its content follow from this and its name.
    pub modified: i64,
}

/// What becomes of a file, or of the task that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has a result.
    Good,
    /// It fails alone.
    Bad,
    /// It fails already in planning.
    Unlisted,
    /// Its task fails as a whole, always.
    Poison,
    /// Its task fails as a whole, twice.
    Flaky,
    /// Its task is refused as no task at all.
    Refused,
    /// Its result is another one each time.
    Unstable,
    /// Its task takes longer than the broker waits for an ack.
    Long,
    /// It kills the process that works on it, and in isolation fails alone.
    Killer,
    /// Its task fails as a whole, until somebody has mended what was wrong and has it done again.
    Curable,
}

impl Fate {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Good, "good"),
        (Self::Bad, "bad"),
        (Self::Unlisted, "unlisted"),
        (Self::Poison, "poison"),
        (Self::Flaky, "flaky"),
        (Self::Refused, "refused"),
        (Self::Unstable, "unstable"),
        (Self::Long, "long"),
        (Self::Killer, "killer"),
        (Self::Curable, "curable"),
    ];

    fn of(name: &str) -> Self {
        let word = name.rsplit('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|(_, name)| *name == word).map_or(Self::Good, |(fate, _)| fate)
    }

    /// Whether it has no result, whatever becomes of its task.
    pub fn is_without_result(self) -> bool {
        matches!(self, Self::Bad | Self::Unlisted | Self::Killer)
    }

    fn word(self) -> &'static str {
        Self::ALL.into_iter().find(|(fate, _)| *fate == self).map_or("good", |(_, word)| word)
    }
}

impl File {
    /// When files were written that were there from the start.
    pub const FIRST: i64 = 1_500_000_000_000_000_001;

    pub fn new(number: u32, fate: Fate) -> Self {
        Self { name: format!("f{number:03}-{}", fate.word()), modified: Self::FIRST }
    }

    pub fn fate(&self) -> Fate {
        Fate::of(&self.name)
    }

    /// As a plan has it.
    fn item(&self) -> Item {
        let times = Some(Times { modified: self.modified, changed: self.modified });
        Item { path: PathBytes(self.name.clone().into_bytes()), size: self.size(), times }
    }

    /// As it was planned.
    pub fn of(item: &Item) -> Self {
        let name = String::from_utf8_lossy(item.path.as_bytes()).into_owned();
        Self { name, modified: item.times.map_or(Self::FIRST, |times| times.modified) }
    }

    /// One that cannot be listed has no item.
    pub fn unlisted(name: &PathBytes) -> Self {
        Self { name: String::from_utf8_lossy(name.as_bytes()).into_owned(), modified: Self::FIRST }
    }

    pub fn size(&self) -> u64 {
        10 + u64::from(self.name.as_bytes()[3] % 7) + (self.modified % 2).unsigned_abs()
    }

    /// What its digest is of.
    pub fn content(&self) -> String {
        if self.modified == Self::FIRST { self.name.clone() } else { format!("{} {}", self.name, self.modified) }
    }
}

/// Who runs a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// A producer that waits, or one that leaves when it has ended.
    Producer { waits: bool },
    /// A rider.
    Rider,
    /// A command that owns its job.
    Command,
}

/// A job as it was asked for.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub id: JobId,
    pub spec: JobSpec,
    pub owner: OwnerId,
    pub runner: Runner,
    /// As it is now, sorted.
    pub tree: Vec<File>,
    /// As it was at first.
    pub first: Vec<File>,
    /// What of it was there all the time, if not always the same.
    pub stayed: Vec<File>,
    /// What was there for a while only.
    pub gone: BTreeSet<File>,
    /// When it changed last.
    pub changed_at: Option<Moment>,
}

impl Job {
    /// As its producer asks for it.
    pub fn request(&self) -> JobRequest {
        JobRequest { origin: Some(Origin::of(b"here")), ..JobRequest::new(self.id.clone(), self.spec.clone()) }
    }
}

/// All of a run.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub all: Vec<Job>,
    /// How often each task was worked on.
    pub runs: BTreeMap<TaskId, u32>,
    /// How often each task failed as a whole, in work or by a refusal.
    pub failures: BTreeMap<TaskId, u32>,
    /// Who does what about which job.
    pub deeds: Vec<(JobId, Deed)>,
    /// Jobs whose curable tasks can be done.
    pub cured: BTreeSet<JobId>,
    /// How many consumers each task has killed.
    pub deaths: BTreeMap<TaskId, u32>,
    /// When the latest walk began that came to its end, and what it has planned.
    pub walked: BTreeMap<JobId, (Moment, PlanHash)>,
    /// Jobs whose latest producer has not walked: it began after that walk.
    pub begun_again: BTreeSet<JobId>,
    /// Whether consumers may have copies that lag.
    pub has_copies: bool,
    /// Whether whatever one consumer does not have another one has that is asked next.
    pub has_whole: bool,
    /// Tasks that take long, and how often each was begun before the last fault was over.
    pub long: BTreeMap<TaskId, u32>,
}

pub(super) const ROOT: &str = "r";

pub(super) fn class() -> Class {
    Root::class_of(ROOT)
}

pub(super) fn owner() -> OwnerId {
    OwnerId::from_name(b"main")
}

pub(super) fn command_owner() -> OwnerId {
    OwnerId::from_name(b"guest-command")
}

fn selection() -> Selection {
    let root = Root { name: ROOT.to_owned(), class: class(), prefix: PathBytes(b"r/".to_vec()) };
    Selection {
        links: Links::Skip,
        roots: vec![root],
        starts: vec![Start { root: 0, file: None }],
        strict_times: false,
    }
}

fn tree(random: &mut SmallRng, files: u32, fates: &[Fate]) -> Vec<File> {
    let mut fate =
        || if random.random_range(0..100) < 70 { Fate::Good } else { fates[random.random_range(0..fates.len())] };
    (0..files).map(|number| File::new(number * 4, fate())).collect()
}

/// Makes one or two files of it such ones.
fn give<'a>(tree: &mut [File], random: &mut SmallRng, fates: impl Iterator<Item = &'a Fate>) {
    for &fate in fates {
        for _ in 0..random.random_range(1..=2) {
            let at = random.random_range(0..tree.len());
            tree[at] = File::new(u32::try_from(at).expect("a few") * 4, fate);
        }
    }
}

impl Jobs {
    /// A mixture. `changing`: trees may change under the plan, so nothing fails as a whole, or what
    /// is lost with it would depend on when.
    pub fn new(random: &mut SmallRng, changing: bool, flavour: Flavour) -> Self {
        let whole = [Fate::Bad, Fate::Unlisted, Fate::Poison, Fate::Flaky, Fate::Refused, Fate::Unstable];
        let mixed = if changing { &whole[..2] } else { &whole[..] };
        let special = [(flavour.kills, Fate::Killer), (flavour.replays, Fate::Curable)];
        let special: Vec<Fate> = special.into_iter().filter(|(has, _)| *has).map(|(_, fate)| fate).collect();
        let long = flavour.long.then_some(Fate::Long);
        let mut jobs = Self::default();
        let add_digest = |jobs: &mut Self, random: &mut SmallRng, name: &str, runner| {
            let files = random.random_range(4..24);
            let mut tree = tree(random, files, mixed);
            give(&mut tree, random, special.iter().chain(long.iter().filter(|_| name == "digest-0")));
            let spec = JobSpec::Digest(digest::Spec { algorithm: digest::Algorithm::Sha1, files: selection() });
            jobs.add(name, spec, runner, tree);
        };
        let waits = random.random_range(0..4) > 0;
        add_digest(&mut jobs, random, "digest-0", Runner::Producer { waits });
        if random.random_bool(0.3) {
            add_digest(&mut jobs, random, "digest-1", Runner::Producer { waits: true });
        }
        if random.random_bool(0.6) {
            let files = random.random_range(3..12);
            // Not two words of one file may differ: only the way in which they are cut.
            let fates = if changing { &whole[..1] } else { &whole[..5] };
            let mut tree = tree(random, files, fates);
            give(&mut tree, random, special.iter());
            let manner = words::Manner { mode: words::Mode::Ascii, characters: false, frequencies: true };
            let spec = JobSpec::Words(words::Spec { manner, files: selection() });
            jobs.add("words", spec, Runner::Producer { waits: true }, tree);
        }
        let riders = random.random_range(0..3);
        for rider in 0..riders {
            let caravan = JobId::from_name(b"caravan");
            let spec = steps::Spec { caravan, rider, whips: random.random_range(1..24), needs: 0 };
            let name = spec.job().to_string();
            jobs.add(&name, JobSpec::Steps(spec), Runner::Rider, Vec::new());
        }
        if random.random_bool(0.4) {
            jobs.add("chain", JobSpec::Steps(chain::spec(random)), Runner::Producer { waits: true }, Vec::new());
        }
        if random.random_bool(0.3) {
            add_digest(&mut jobs, random, "command", Runner::Command);
        }
        jobs.add_deeds(random, flavour);
        jobs
    }

    fn add(&mut self, name: &str, spec: JobSpec, runner: Runner, tree: Vec<File>) {
        let owner = if runner == Runner::Command { command_owner() } else { owner() };
        let id = JobId::from_name(name.as_bytes());
        self.all.push(Job {
            id,
            spec,
            owner,
            runner,
            stayed: tree.clone(),
            first: tree.clone(),
            gone: BTreeSet::new(),
            changed_at: None,
            tree,
        });
    }

    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.all.iter().find(|job| job.id == *id)
    }
}

/// A plan of what the tree is while it is walked.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// When the walk began.
    pub begun: Moment,
    pub hash: PlanHash,
    number: u64,
    after: Option<String>,
}

impl Plan {
    /// A plan from task `number` on, which is 0 unless the plan is derived.
    pub fn begin(begun: Moment, number: u64) -> Self {
        Self { begun, hash: PlanHash::start(), number, after: None }
    }

    pub fn next_task(&mut self, job: &Job, now: Moment) -> Option<Planned> {
        if let JobSpec::Steps(spec) = &job.spec {
            let task = chain::planned(spec, self.number)?;
            self.number += 1;
            self.hash = task.hash(&self.hash);
            return Some(task);
        }
        let is_left = |file: &&File| self.after.as_ref().is_none_or(|after| file.name > *after);
        let mut left = job.tree.iter().filter(is_left).peekable();
        let first = left.next()?.clone();
        let mut files = vec![first.clone()];
        if first.fate() != Fate::Unlisted {
            let more = (self.number % 3) as usize;
            while files.len() <= more
                && let Some(file) = left.next_if(|file| file.fate() != Fate::Unlisted)
            {
                files.push(file.clone());
            }
        }
        let number = self.number;
        self.number += 1;
        self.after = Some(files.last().map(|file| file.name.clone()).unwrap_or_default());
        let at = i64::try_from(now.as_nanos()).ok();
        let task = Planned { at, ..planned(&job.spec, number, files) };
        self.hash = task.hash(&self.hash);
        Some(task)
    }
}

fn planned(spec: &JobSpec, number: u64, files: Vec<File>) -> Planned {
    if files[0].fate() == Fate::Unlisted {
        let name = PathBytes(files[0].name.clone().into_bytes());
        let failed = vec![PlanFailure { name, reason: "cannot be listed".to_owned() }];
        let notes = Notes { failed, skipped: BTreeMap::from([("fifo".to_owned(), 1)]), needs: Vec::new() };
        return Planned { number, class: class(), body: None, items: 0, bytes: 0, notes, at: None };
    }
    let items: Vec<_> = files.iter().map(File::item).collect();
    let bytes = files.iter().map(File::size).sum();
    let count = u32::try_from(items.len()).expect("a few");
    let files = Files { links: Links::Skip, root: ROOT.to_owned(), items, strict_times: false };
    let body = match spec {
        JobSpec::Digest(spec) => Payload::of(&digest::Batch { algorithm: spec.algorithm, files }),
        JobSpec::Words(spec) => Payload::of(&words::Batch { manner: spec.manner, files }),
        JobSpec::Call(_) | JobSpec::Steps(_) => unreachable!("its plan is not of files"),
    };
    let notes = Notes::default();
    Planned { number, class: class(), body: Some(body), items: count, bytes, notes, at: None }
}
