//! Whips by hand: `--interactive`, with keys pressed at a real terminal.

use super::terminal::Terminal;
use super::{Road, comes_home, example, horse_rider, succeeds};

/// What the terminal is like after the command.
const AFTERWARDS: &str = "echo code $?; stty -a | grep -o '.icanon'; stty -a | grep -o ' .*echo '";

fn terminal(arguments: &str) -> Terminal {
    Terminal::run(example(), &format!("\"$0\" {arguments}; {AFTERWARDS}"))
}

/// The terminal takes lines and shows them again, as a shell expects it.
fn is_as_before(screen: &str) {
    assert!(screen.contains(" icanon") && !screen.contains("-icanon"), "{screen}");
    assert!(screen.contains(" echo ") && !screen.contains("-echo "), "{screen}");
}

#[test]
fn keys_need_a_terminal() {
    for arguments in [&["rider", "0", "--interactive", "--broker", "amqp://h"][..], &["launch", "--interactive"]] {
        let done = horse_rider(arguments).exits(2);
        assert!(done.err.contains("--interactive needs a terminal: standard input is not one"), "{}", done.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_is_one_whip_and_q_ends_the_ride() {
    let mut road = Road::new().await;
    let (reducer, horse) = (road.reducer(), road.horse(0));
    let ride = format!("rider 0 --interactive --broker '{}'", road.url());
    let rider = terminal(&ride);
    let screen = tokio::task::spawn_blocking(move || {
        rider.shows("press a key to whip");
        for (key, felt) in [("a", "1"), ("Space", "2"), ("Up", "3"), ("Enter", "4"), ("x", "5")] {
            rider.press(&[key]);
            rider.shows(&format!("{felt} of 10000 whips felt, the caravan's distance is"));
        }
        rider.shows("5 of 10000 whips felt, the caravan's distance is 5");
        rider.press(&["q"]);
        rider.shows("over")
    });
    let screen = screen.await.expect("it rides");
    assert!(screen.contains("5 of 5 whips felt, the caravan's distance is 5\n"), "{screen}");
    assert!(screen.contains("code 0"), "{screen}");
    is_as_before(&screen);
    assert_eq!(road.status_of(0, 10_000).await.expect("known").counts.tasks_planned, 5);
    // Who got off has arrived.
    let again = terminal(&ride);
    let screen = tokio::task::spawn_blocking(move || again.shows("over")).await.expect("it ends");
    assert!(screen.contains("has arrived before") && screen.contains("code 0"), "{screen}");
    comes_home(horse).await;
    reducer.signal("INT");
    succeeds(reducer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_leaves_the_terminal_as_it_was_and_the_ride_goes_on_later() {
    let road = Road::new().await;
    let (_reducer, _horse) = (road.reducer(), road.horse(0));
    let ride = format!("rider 0 --interactive --broker '{}'", road.url());
    let screen = tokio::task::spawn_blocking(move || {
        let rider = terminal(&ride);
        rider.shows("press a key to whip");
        rider.press(&["a", "b"]);
        rider.shows("2 of 10000 whips felt");
        rider.press(&["C-c"]);
        let screen = rider.shows("over");
        assert!(screen.contains("code 130") && screen.contains("stopped on the way"), "{screen}");
        is_as_before(&screen);
        let rider = terminal(&ride);
        rider.shows("press a key to whip");
        rider.press(&["c"]);
        rider.shows("3 of 10000 whips felt, the caravan's distance is 1");
        rider.press(&["C-d"]);
        rider.shows("over")
    });
    let screen = screen.await.expect("it rides");
    assert!(screen.contains("3 of 3 whips felt") && screen.contains("code 0"), "{screen}");
    is_as_before(&screen);
}

#[test]
fn in_one_process_each_key_is_a_whip_of_every_rider() {
    let caravan = terminal("launch --interactive --riders 3");
    caravan.shows("press a key to whip");
    caravan.press(&["a", "b"]);
    caravan.shows("2 of 10000 whips felt");
    caravan.press(&["c"]);
    for rider in 0..3 {
        // The tab after the role's name takes the screen to column 8 or 16.
        caravan.shows(&format!("rider {rider} 3 of 10000 whips felt"));
    }
    caravan.press(&["q"]);
    let screen = caravan.shows("over");
    assert!(screen.contains("9 whips, 9 steps, distance 4, in "), "{screen}");
    assert!(screen.contains("code 0"), "{screen}");
    is_as_before(&screen);
}
