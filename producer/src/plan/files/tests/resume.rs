//! Every cut of a plan: what is planned after it equals what the uninterrupted plan had.

use super::*;

fn json(tasks: &[Planned]) -> Vec<String> {
    tasks.iter().map(|task| serde_json::to_string(task).expect("json")).collect()
}

fn check_every_cut(spec: &Selection, dirs: &[PathBuf]) -> usize {
    let all = tasks(spec, dirs);
    assert!(all.iter().zip(0..).all(|(task, number)| task.number == number));
    for cut in 1..=all.len() {
        let resume = Some(&*all[cut - 1].resume);
        let mut plan = FilesPlan::new(spec.clone(), dirs, cut as u64, resume).expect("a plan");
        let rest: Vec<_> = std::iter::from_fn(|| plan.next_task(|files| raw(&files))).collect();
        assert_eq!(json(&rest), json(&all[cut..]), "cut after {cut} of {}", all.len());
    }
    all.len()
}

#[test]
fn oracle_every_cut_of_random_trees() {
    let mut cuts = 0;
    for seed in 0..6 {
        let tree = Tree::new();
        grow(&tree, seed, 150);
        for links in [Links::Skip, Links::FollowInside] {
            let (spec, dirs) = tree.spec(links);
            cuts += check_every_cut(&spec, &dirs);
        }
    }
    assert!(cuts > 100, "only {cuts} cuts: the trees are too small to say anything");
}

#[test]
fn oracle_every_cut_with_failures_and_several_starts() {
    let tree = Tree::new();
    tree.link("a/up", "..").file("a/z", 80 << 20).link("b", "gone").file("c", 80 << 20).file("d/x", 80 << 20);
    tree.link("e/1", "gone").link("e/2", "gone").file("lone/one", 1).file("lone/two", 80 << 20).link("zz", "gone");
    fs::create_dir_all(tree.path("lone/empty")).expect("a directory");
    let paths = ["a", "d", "e", "lone/one", "lone/two", "lone/empty", "c"].map(|path| tree.argument(path));
    let (spec, dirs) = selection(&paths, Naming::Local, Links::FollowInside).expect("they are there");
    assert!(check_every_cut(&spec, &dirs) >= 4);
    let (spec, dirs) = tree.spec(Links::FollowInside);
    assert!(check_every_cut(&spec, &dirs) >= 4);
}

#[test]
fn a_resume_survives_the_loss_of_its_own_place() {
    let tree = Tree::new();
    // The walk stops in a/m/f. With a/m gone, `m/f` of the root must not be taken for it.
    tree.file("a/m/f", 80 << 20).file("m/f", 80 << 20).file("m/e", 1);
    let (spec, dirs) = tree.spec(Links::Skip);
    let first =
        FilesPlan::new(spec.clone(), &dirs, 0, None).expect("a plan").next_task(|files| raw(&files)).expect("a task");
    fs::remove_dir_all(tree.path("a/m")).expect("it was there");
    let mut plan = FilesPlan::new(spec.clone(), &dirs, 1, Some(&first.resume)).expect("a plan");
    let rest: Vec<_> = std::iter::from_fn(|| plan.next_task(|files| raw(&files))).collect();
    assert_eq!(names(&spec, &rest), [tree.argument("m/e"), tree.argument("m/f")]);
}

#[test]
fn a_place_that_is_missing_or_unreadable_is_told() {
    let tree = Tree::new();
    let (spec, dirs) = tree.spec(Links::Skip);
    assert!(FilesPlan::new(spec.clone(), &dirs, 3, None).is_err());
    let bad = serde_json::value::RawValue::from_string("{}".to_owned()).expect("json");
    let error = FilesPlan::new(spec.clone(), &dirs, 3, Some(&bad)).expect_err("no place");
    assert!(error.to_string().starts_with("the job cannot go on after 3 tasks: "), "{error}");
    let beyond =
        serde_json::value::RawValue::from_string(r#"{"start":1,"after":{"path":"a"}}"#.to_owned()).expect("json");
    assert!(FilesPlan::new(spec.clone(), &dirs, 3, Some(&beyond)).is_err());
    assert!(FilesPlan::new(spec, &[], 0, None).is_err());
}
