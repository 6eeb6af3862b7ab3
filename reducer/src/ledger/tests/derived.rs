//! Plans that follow from a job's spec: their length costs nothing.

use std::time::Instant;

use shared::protocol::limits;
use shared::protocol::workload::steps;

use super::counting::felt;
use super::*;
use crate::report::{Format, Render};

/// Bytes by which what an owner keeps may differ between two lengths of a plan: digits of numbers.
const DIGITS: usize = 300;

struct Rider {
    world: World,
    job: JobId,
    whips: u64,
}

impl Rider {
    fn opened(whips: u64) -> Self {
        let mut world = World::with(|config| config.window_min = 4);
        let spec = steps::Spec { caravan: job(), rider: 0, whips, needs: 0 };
        let job = spec.job();
        world.event(opening(job.clone(), JobSpec::Steps(spec)));
        Self { world, job, whips }
    }

    /// Ends the plan, loses a window of tasks, and answers a few in any order.
    fn goes_on(&mut self) {
        self.world.plan_end_of(&self.job, self.whips);
        self.world.pass(limits::HEARTBEAT * 2);
        let (workload, class) = (Workload::Steps, steps::class());
        let lost = self.world.event(Event::QueueState { workload, class, ready: Some(0) });
        let numbers = |actions: &[Action]| sent(actions).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        assert_eq!(numbers(&lost), [0, 1, 2, 3], "one window");
        for number in [self.whips - 1, 0, 2, 1] {
            felt(&mut self.world, &self.job, number, 1);
        }
    }

    fn cancelled(&mut self) {
        let reply = ReplyTo::Local(0);
        self.world.event(Event::Cancel { job: self.job.clone(), opening: None, reply });
    }

    fn counts(&self) -> Counts {
        self.world.ledger().owner().status(&self.job, self.world.now).expect("the job is known").counts
    }

    /// All that the owner has in memory about the job, as text.
    fn memory(&self) -> usize {
        format!("{:?}", self.world.ledger().owner().job(&self.job).expect("the job is known")).len()
    }

    /// Rows of the store.
    fn rows(&self) -> u64 {
        let store = rusqlite::Connection::open(&self.world.path).expect("the store opens");
        let count =
            "SELECT (SELECT count(*) FROM tasks) + (SELECT count(*) FROM outcomes) + (SELECT count(*) FROM jobs)";
        store.query_row(count, [], |row| row.get(0)).expect("it counts")
    }

    fn report(&self) -> String {
        let mut render = Render::new(&self.world.path, &self.job, Format::Text).expect("a report");
        let mut text = Vec::new();
        render.write_up_to(u64::MAX, &mut text, &mut |_| {}).expect("it is written");
        String::from_utf8(text).expect("text")
    }
}

#[test]
fn a_job_of_a_billion_derived_tasks_costs_what_one_of_ten_costs() {
    let (mut small, mut large) = (Rider::opened(10), Rider::opened(limits::DERIVED_TASKS_MAX));
    let begun = Instant::now();
    assert_eq!(large.counts().tasks_open, limits::DERIVED_TASKS_MAX);
    let same = |small: &Rider, large: &Rider, when: &str| {
        let (less, more) = (small.memory(), large.memory());
        assert!(more <= less + DIGITS, "{when}: {more} bytes of text, and {less} for ten tasks");
        assert_eq!(large.rows(), small.rows(), "{when}");
    };
    same(&small, &large, "opened");
    for rider in [&mut small, &mut large] {
        rider.goes_on();
        assert_eq!((rider.counts().tasks_done, rider.counts().tasks_open), (4, rider.whips - 4));
    }
    same(&small, &large, "after some outcomes");
    for rider in [&mut small, &mut large] {
        rider.world.restart(false);
    }
    same(&small, &large, "after a restart");
    for rider in [&mut small, &mut large] {
        rider.cancelled();
    }
    same(&small, &large, "cancelled");
    assert_eq!((large.counts().tasks_cancelled, large.report().lines().count()), (limits::DERIVED_TASKS_MAX - 4, 4));
    assert!(large.report().lines().last().is_some_and(|last| last.contains("999999999")), "{}", large.report());
    // Milliseconds; one step for each of a billion numbers takes longer, whatever the step is.
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}
