//! The bar in a terminal.

use std::path::Path;

use crate::horse_rider::terminal::Terminal;
use crate::world::{PACKHORSE, World};

#[test]
fn no_time_is_told_before_it_can_be_known() {
    let world = World::new();
    let endless = world.sparse("t", 1 << 40);
    let (directory, file) = (endless.parent().expect("a directory").display(), endless.display());
    let script = format!("cd {directory}; \"$0\" sha1 t -o m; : > {file}");
    let terminal = Terminal::run(Path::new(PACKHORSE), &script);
    // Its bytes are counted when it is done, so there is no rate.
    let screen = terminal.shows("1.00 TiB");
    assert!(!screen.contains("0s left"), "{screen}");
    let screen = terminal.shows("0 B/s --:-- left");
    assert!(screen.contains("0 B/1.00 TiB 0/1 files"), "{screen}");
    terminal.press(&["C-c"]);
    terminal.shows("stopping");
    terminal.press(&["C-c"]);
    terminal.shows("over");
}
