//! Plans: tasks that arrive early, tasks that were lost, and tasks of another walk.

use super::*;

/// Task `number` of the walk `walk`.
fn of_walk(walk: &str, number: u64) -> Planned {
    let notes = Notes { failed: Vec::new(), skipped: [(walk.to_owned(), 1)].into(), needs: Vec::new() };
    Planned { notes, ..planned(number, 1) }
}

fn after(walk: &str, number: u64) -> PlanHash {
    (0..number).fold(PlanHash::start(), |before, number| of_walk(walk, number).hash(&before))
}

impl World {
    fn plan_of(&mut self, walk: &str, number: u64) -> Vec<Action> {
        self.plan_after(walk, number, after(walk, number))
    }

    fn plan_after(&mut self, walk: &str, number: u64, after: PlanHash) -> Vec<Action> {
        let (tag, place) = (self.tag(), self.place(after));
        self.event(Arrived::Planned { job: job(), place, planned: Box::new(of_walk(walk, number)), tag })
    }

    fn end_walk(&mut self, walk: &str, tasks: u64) -> Vec<Action> {
        self.plan_end_after(tasks, after(walk, tasks))
    }

    fn plan_end_after(&mut self, tasks: u64, after: PlanHash) -> Vec<Action> {
        let (tag, place) = (self.tag(), self.place(after));
        self.event(Event::PlanEnd { plan_end: PlanEnd { job: job(), tasks }, place, tag })
    }
}

#[test]
fn what_comes_before_its_turn_waits_unacked() {
    let mut world = World::new();
    world.open();
    assert!(settled(&world.end_walk("a", 3)).is_empty());
    assert!(settled(&world.plan_of("a", 2)).is_empty());
    assert_eq!(settled(&world.plan_of("a", 0)), ["ack"]);
    assert_eq!(world.counts().tasks_planned, 1);
    let actions = world.plan_of("a", 1);
    assert_eq!((settled(&actions).len(), sent(&actions).len()), (3, 2), "it, the one after it, and the plan end");
    assert_eq!(world.status().state, JobState::Running);
}

#[test]
fn a_gap_that_is_not_filled_is_planned_again_from_its_beginning() {
    let mut world = World::new();
    world.open();
    world.plan_of("a", 0);
    world.plan_of("a", 2);
    world.end_walk("a", 3);
    assert_eq!(settled(&world.pass(Duration::from_secs(20))).len(), 2, "no one will fill it");
    let opened = world.open();
    assert_eq!((opened.planned, opened.plan_end, opened.after), (1, None, after("a", 1)));
    for number in [1, 2] {
        assert_eq!(settled(&world.plan_of("a", number)), ["ack"]);
    }
    world.end_walk("a", 3);
    assert_eq!((world.status().state, world.counts().tasks_planned), (JobState::Running, 3));
}

/// The tree has changed between two walks, and messages of the first walk come late. The tasks of
/// the two walks must not be mixed. The plan end of the second must neither end the plan of the
/// first nor contradict it for ever.
#[test]
fn two_walks_never_make_one_plan() {
    let mut world = World::new();
    world.open();
    world.plan_of("a", 0);
    let second_begins_after = world.open().after;
    world.plan_of("a", 1);
    world.plan_of("a", 2);
    world.plan_after("b", 1, second_begins_after);
    assert_eq!(settled(&world.end_walk("b", 2)), ["ack"]);
    assert_eq!(settled(&world.plan_of("b", 3)), ["ack"]);
    assert_eq!((world.status().state, world.counts().tasks_planned), (JobState::Planning, 3));
    assert_eq!(world.counts().dropped, [("another plan".to_owned(), 2)].into(), "one had its number taken");
    world.restart(false);
    let opened = world.open();
    assert_eq!((opened.planned, opened.after.clone()), (3, after("a", 3)), "the hash is found in the store again");
    let end = of_walk("b", 3).hash(&opened.after);
    world.plan_after("b", 3, opened.after);
    world.plan_end_after(4, end.clone());
    assert_eq!((world.status().state, world.counts().tasks_planned), (JobState::Running, 4));
    assert_eq!(world.status().plan, Some(end), "it stands for the whole plan");
}

#[test]
fn nothing_is_held_beyond_the_plan_end() {
    let mut world = World::new();
    world.open();
    world.plan_of("a", 3);
    world.plan_of("b", 0);
    assert_eq!(settled(&world.end_walk("b", 1)), ["ack", "ack"], "the plan end, and the task of another walk");
    assert_eq!(settled(&world.plan_of("a", 4)), ["ack"]);
}
