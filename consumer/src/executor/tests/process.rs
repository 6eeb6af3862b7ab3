//! Child processes. The child is a shell that says what a child of ours says.

use std::sync::Arc;

use shared::protocol::payload::Payload;
use shared::protocol::workload::Workload;
use tempfile::TempDir;

use super::{Does, Harness, conformance};
use crate::executor::{Executor, Sink, processes};
use crate::isolation::{Isolation, told};
use crate::work::Site;

struct Apart(TempDir);

impl Default for Apart {
    fn default() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }
}

impl Harness for Apart {
    const FIRST_THREAD: &str = "child 0 steps";

    fn executor(&self, does: Does, slots: u32, sink: Sink) -> Box<dyn Executor> {
        let answer = self.0.path().join("answer");
        std::fs::write(&answer, told(&Payload::json(r#"{"steps":7}"#))).expect("written");
        let script = match does {
            Does::Answer => format!("cat {}; exec cat > /dev/null", answer.display()),
            Does::Hang => "exec sleep 1000".to_owned(),
            Does::Break => "exit 3".to_owned(),
        };
        let isolation = Isolation { program: "sh".into(), args: vec!["-c".into(), script.into()] };
        Box::new(processes(Workload::Steps, slots, Arc::new(Site::new()), Arc::new(isolation), sink))
    }
}

conformance!(Apart);
