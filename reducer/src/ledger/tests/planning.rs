//! Plans with links: what comes before its turn, what was lost, what another walk planned.

use shared::message::{FIRST_LINK, link};

use super::*;

/// Task `number` as the walk `walk` has it; each walk goes on at places of its own.
fn of_walk(walk: &str, number: u64) -> Planned {
    Planned { resume: raw(&format!("{walk} {number}")), ..planned(number, 1) }
}

fn after(walk: &str, number: u64) -> Option<String> {
    Some((0..number).fold(FIRST_LINK.to_owned(), |before, number| link(&before, &of_walk(walk, number))))
}

impl World {
    fn plan_linked(&mut self, walk: &str, number: u64) -> Vec<Action> {
        self.plan_after(walk, number, after(walk, number))
    }

    fn plan_after(&mut self, walk: &str, number: u64, after: Option<String>) -> Vec<Action> {
        let tag = self.tag();
        self.event(Event::Planned { job: job(), planned: Box::new(of_walk(walk, number)), after, tag })
    }

    fn seal_linked(&mut self, walk: &str, tasks: u64) -> Vec<Action> {
        self.seal_after(tasks, after(walk, tasks))
    }

    fn seal_after(&mut self, tasks: u64, after: Option<String>) -> Vec<Action> {
        let tag = self.tag();
        self.event(Event::Seal { seal: Seal { job: job(), tasks }, after, tag })
    }
}

#[test]
fn what_comes_before_its_turn_waits_unacked() {
    let mut world = World::new();
    world.open();
    assert!(settled(&world.seal_linked("a", 3)).is_empty());
    assert!(settled(&world.plan_linked("a", 2)).is_empty());
    assert_eq!(settled(&world.plan_linked("a", 0)), ["ack"]);
    assert_eq!(world.counts().tasks_planned, 1);
    let actions = world.plan_linked("a", 1);
    assert_eq!((settled(&actions).len(), sent(&actions).len()), (3, 2), "it, the one after it, and the seal");
    assert_eq!(world.status().state, JobState::Running);
}

#[test]
fn a_gap_that_is_not_filled_is_planned_again_from_its_beginning() {
    let mut world = World::new();
    world.open();
    world.plan_linked("a", 0);
    world.plan_linked("a", 2);
    world.seal_linked("a", 3);
    assert_eq!(settled(&world.pass(Duration::from_secs(20))).len(), 2, "no one will fill it");
    let opened = world.open();
    assert_eq!((opened.planned, opened.sealed, opened.after), (1, None, after("a", 1)));
    for number in [1, 2] {
        assert_eq!(settled(&world.plan_linked("a", number)), ["ack"]);
    }
    world.seal_linked("a", 3);
    assert_eq!((world.status().state, world.counts().tasks_planned), (JobState::Running, 3));
}

/// The tree has changed between two walks, and messages of the first one come late: its tasks and
/// those of the second one must not be put together, nor may the second one's seal end the plan of
/// the first one or contradict it for ever.
#[test]
fn two_walks_never_make_one_plan() {
    let mut world = World::new();
    world.open();
    world.plan_linked("a", 0);
    let second_begins_after = world.open().after;
    world.plan_linked("a", 1);
    world.plan_linked("a", 2);
    world.plan_after("b", 1, second_begins_after);
    assert_eq!(settled(&world.seal_linked("b", 2)), ["ack"]);
    assert_eq!(settled(&world.plan_linked("b", 3)), ["ack"]);
    assert_eq!((world.status().state, world.counts().tasks_planned), (JobState::Planning, 3));
    world.restart(false);
    let opened = world.open();
    assert_eq!((opened.planned, opened.after.clone()), (3, after("a", 3)), "the link is found in the store again");
    let end = link(opened.after.as_deref().expect("a link"), &of_walk("b", 3));
    world.plan_after("b", 3, opened.after);
    world.seal_after(4, Some(end.clone()));
    assert_eq!((world.status().state, world.counts().tasks_planned), (JobState::Running, 4));
    assert_eq!(world.status().plan, Some(end), "it stands for the whole plan");
}

#[test]
fn nothing_is_held_beyond_the_seal() {
    let mut world = World::new();
    world.open();
    world.plan_linked("a", 3);
    world.plan_linked("b", 0);
    assert_eq!(settled(&world.seal_linked("b", 1)), ["ack", "ack"], "the seal, and the task of another walk");
    assert_eq!(settled(&world.plan_linked("a", 4)), ["ack"]);
}

#[test]
fn a_producer_without_links_is_taken_as_it_was() {
    let mut world = World::new();
    world.open();
    world.plan(1, 1);
    world.plan(0, 1);
    world.seal(2);
    assert_eq!((world.status().state, world.counts().tasks_planned), (JobState::Running, 2));
}
