//! `launch --broker`, in this process and in windows of tmux.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::terminal::{Terminal, tmux};
use super::{Road, ends, example, horse_rider, succeeds};
use crate::world::{Process, eventually, send};

fn launch(road: &Road, home: &Path, more: &[&str]) -> Process {
    let url = road.url();
    let arguments = [&["launch", "--broker", &url], more].concat();
    road.world.command(example(), arguments).env("TMUX_TMPDIR", home).env("TMPDIR", home).start()
}

/// A caravan in windows, once they are there; and its server's name.
fn launch_windows(road: &Road, home: &Path, more: &[&str]) -> (Process, String) {
    let caravan = launch(road, home, &[&["--windows"], more].concat());
    let words = caravan.says("the windows: tmux -L packhorse-");
    let server = words.split_whitespace().find(|word| word.starts_with("packhorse-")).expect("its name").to_owned();
    (caravan, server)
}

fn ask(home: &Path, server: &str, arguments: &[&str]) -> String {
    let output = tmux(home, server).args(arguments).output().expect("tmux runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Neither a session nor a file is left.
fn is_gone(home: &Path, server: &str) {
    let session = tmux(home, server).arg("list-sessions").output().expect("tmux runs");
    assert!(!session.status.success(), "the session is still there");
    let left: Vec<_> = fs::read_dir(home).expect("a directory").map(|entry| entry.expect("an entry").path()).collect();
    assert!(left.iter().all(|path| path.to_string_lossy().contains("/tmux-")), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_broker_a_caravan_brings_its_own_reducer() {
    let road = Road::new().await;
    let home = TempDir::new().expect("a directory");
    for time in 0..2 {
        let out = succeeds(launch(&road, home.path(), &["--whips", "500", "--horses", "3"])).await;
        assert!(out.contains("1000 whips, 249500 steps, distance 124750, in "), "time {time}: {out}");
        for role in ["rider 0", "rider 1", "horse 0", "horse 1", "horse 2"] {
            assert!(out.lines().any(|line| line.starts_with(&format!("{role}\t"))), "{role} says nothing: {out}");
        }
    }
    road.was_never_too_full(0);
    let reducer = road.reducer();
    reducer.says("The reducer is ready.");
    let second = launch(&road, home.path(), &[]);
    let err = ends(second).await.exits(2).err;
    assert!(err.contains("a reducer main is running already") && err.contains("another --owner"), "{err}");
    let out = succeeds(launch(&road, home.path(), &["--whips", "100", "--owner", "other"])).await;
    assert!(out.contains("200 whips, 9900 steps, distance 4950, in "), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_has_a_window_and_no_command_line_shows_the_password() {
    let road = Road::new().await;
    let home = TempDir::new().expect("a directory");
    let (caravan, server) = launch_windows(&road, home.path(), &["--whips", "1500", "--riders", "3"]);
    let names = ask(home.path(), &server, &["list-windows", "-t", "caravan", "-F", "#{window_name}"]);
    assert_eq!(names, "reducer\nhorse 0\nhorse 1\nrider 0\nrider 1\nrider 2\n");
    let processes = ask(home.path(), &server, &["list-panes", "-s", "-t", "caravan", "-F", "#{pid} #{pane_pid}"]);
    for id in processes.split_whitespace() {
        let line = fs::read(format!("/proc/{id}/cmdline")).expect("it runs");
        assert!(!String::from_utf8_lossy(&line).contains("guest"), "{}", String::from_utf8_lossy(&line));
    }
    let out = succeeds(caravan).await;
    assert!(out.contains("4500 whips, 3372750 steps, distance 1686375, in "), "{out}");
    is_gone(home.path(), &server);
    road.was_never_too_full(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whips_by_hand_in_windows() {
    let road = Road::new().await;
    let home = TempDir::new().expect("a directory");
    let (caravan, server) = launch_windows(&road, home.path(), &["--interactive"]);
    let sees = |rider: &str, text: &str| {
        let window = format!("caravan:={rider}");
        eventually(&format!("{rider} shows {text}"), || {
            ask(home.path(), &server, &["capture-pane", "-p", "-t", &window]).contains(text).then_some(())
        });
    };
    for (rider, keys) in [("rider 0", &["a", "b", "c"][..]), ("rider 1", &["a", "b"])] {
        sees(rider, "press a key to whip");
        let window = format!("caravan:={rider}");
        ask(home.path(), &server, &[&["send-keys", "-t", &window], keys].concat());
        sees(rider, &format!("{} of 10000 whips felt", keys.len()));
        ask(home.path(), &server, &["send-keys", "-t", &window, "q"]);
    }
    let out = succeeds(caravan).await;
    assert!(out.contains("5 whips, 4 steps, distance 2, in "), "{out}");
    is_gone(home.path(), &server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_horse_and_ctrl_c_take_the_windows_down() {
    let road = Road::new().await;
    let home = TempDir::new().expect("a directory");
    let (caravan, server) = launch_windows(&road, home.path(), &["--whips", "1000000"]);
    let panes = ask(home.path(), &server, &["list-panes", "-s", "-t", "caravan", "-F", "#{pane_pid} #{window_name}"]);
    let horse = panes.lines().find_map(|line| line.strip_suffix(" horse 1")).expect("it has a window");
    send("KILL", horse.parse().expect("the number of a process"));
    let err = ends(caravan).await.exits(3).err;
    assert!(err.contains("horse 1 has ended by a signal before the riders arrived"), "{err}");
    is_gone(home.path(), &server);

    let (caravan, server) = launch_windows(&road, home.path(), &["--whips", "1000000"]);
    caravan.signal("INT");
    let err = ends(caravan).await.exits(130).err;
    assert!(err.contains("stopped before the riders arrived"), "{err}");
    is_gone(home.path(), &server);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_terminal_the_windows_are_shown_and_the_result_after_them() {
    let road = Road::new().await;
    let url = road.url();
    let screen = tokio::task::spawn_blocking(move || {
        let terminal =
            Terminal::run(example(), &format!("\"$0\" launch --windows --whips 1500 --broker '{url}'; echo code $?"));
        // The line at the foot of a tmux session.
        terminal.shows("rider 0*");
        let screen = terminal.shows("over");
        assert!(fs::read_dir(terminal.home()).expect("a directory").next().is_some(), "its sockets are there");
        screen
    });
    let screen = screen.await.expect("it ends");
    assert!(screen.contains("3000 whips, 2248500 steps, distance 1124250, in "), "{screen}");
    assert!(screen.contains("code 0"), "{screen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_need_a_broker_and_tmux() {
    let err = horse_rider(&["launch", "--windows"]).exits(2).err;
    assert!(err.contains("they meet at a broker: give --broker URL"), "{err}");
    let road = Road::new().await;
    let home = TempDir::new().expect("a directory");
    let launch = road.world.command(example(), ["launch", "--windows", "--broker", &road.url()]);
    let err = ends(launch.env("PATH", home.path()).env("TMPDIR", home.path()).start()).await.exits(2).err;
    assert!(err.contains("--windows needs tmux, which is not installed"), "{err}");
    assert_eq!(fs::read_dir(home.path()).expect("a directory").count(), 0, "something is left");
}
