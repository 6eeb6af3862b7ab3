//! Files that another process serves, over FUSE: the kernel remembers what it was told of them, and answers with it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;

use crate::world::{PACKHORSE, World, assert_same};

/// A directory of a world, shown as `mnt` by `bindfs`. Gone with the test.
pub struct Mount(PathBuf);

impl Mount {
    pub fn of(world: &World, directory: &str, options: &[&str]) -> Self {
        let path = world.path("mnt");
        fs::create_dir(&path).expect("made");
        world.command("bindfs", [options, &[directory, "mnt"]].concat()).done().exits(0);
        Self(path)
    }

    /// Of the directory `back`. What the kernel has heard it takes for true as long as any test runs.
    fn new(world: &World, options: &[&str]) -> Self {
        Self::of(world, "back", &[options, &["-o", "attr_timeout=600,entry_timeout=600"]].concat())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("fusermount3").args(["-u", "-z"]).arg(&self.0).status();
    }
}

/// Of the same length, in the first bytes and the last: what is read of it then is of neither content.
fn rewrite(world: &World, name: &str, bytes: u64) {
    let file = File::options().write(true).open(world.path(name)).expect("it is there");
    file.write_all_at(b"another", 0).and_then(|()| file.write_all_at(b"another", bytes - 7)).expect("written");
}

#[test]
fn a_change_behind_a_read_only_mount_is_noticed() {
    const BYTES: u64 = 16 << 20;
    let world = World::new();
    world.sparse("back/f", BYTES);
    // Some seconds for all of it.
    let _mount = Mount::new(&world, &["-r", "--read-rate=6M"]);
    for command in ["sha1", "words"] {
        let run = world.command(PACKHORSE, [command, "-q", "-j", "1", "mnt/f"]).start();
        run.reads(&world.path("mnt/f"));
        run.signal("STOP");
        rewrite(&world, "back/f", BYTES);
        run.signal("CONT");
        let done = run.wait().exits(1);
        assert_eq!(done.err, "packhorse: mnt/f: changed while it was read\n", "{command}");
    }
}

#[test]
fn what_stays_as_it_is_has_the_digests_of_other_tools() {
    for options in [&["-r"][..], &[]] {
        let world = World::new();
        world.tree("back/t", 300);
        world.file("back/large", vec![7; 3 << 20]);
        let _mount = Mount::new(&world, options);
        assert_same(&world.packhorse(["sha1", "-q", "mnt"]).exits(0).out, &world.sha1sum(&["mnt"]));
    }
}
