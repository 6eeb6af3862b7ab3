//! The commands of other programs, as a user with these cores would write them.

use std::process::{Command, Stdio};

use crate::Settings;

/// A peer's command line for a shell; `$1` is the directory.
pub struct Peer {
    /// The program that has to be installed.
    program: &'static str,
    pub script: String,
    /// Target: the most that our time may be, as a multiple of the peer's time.
    pub limit: Option<f64>,
}

impl Peer {
    fn new(program: &'static str, script: String) -> Self {
        Self { program, script, limit: None }
    }

    fn at_most(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    pub fn shown(&self) -> String {
        self.script.replace("\"$1\" ", "").replace(" \"$1\"", "").replace("export ", "").replace("; ", " ")
    }
}

/// The peers that are installed here.
pub fn installed(peers: Vec<Peer>) -> Vec<Peer> {
    let is_there = |peer: &Peer| {
        let look = format!("command -v {}", peer.program);
        let status = Command::new("sh").args(["-c", &look]).stdout(Stdio::null()).status();
        let there = status.is_ok_and(|status| status.success());
        if !there {
            eprintln!("{} is not installed: left out", peer.program);
        }
        there
    };
    peers.into_iter().filter(is_there).collect()
}

pub fn small_files(settings: &Settings) -> Vec<Peer> {
    let each = |program: &str| format!("find \"$1\" -type f -print0 | xargs -0 -P{} -n 256 {program}", settings.cores);
    let mut peers = digests(settings);
    peers.insert(0, Peer::new("sha1sum", each("sha1sum")).at_most(0.6));
    peers.insert(1, Peer::new("openssl", each("openssl sha1")));
    peers.push(Peer::new("rhash", each("rhash --sha1")));
    peers.push(Peer::new("b3sum", each("b3sum")));
    peers
}

pub fn big_files(settings: &Settings) -> Vec<Peer> {
    let each = |program: &str| format!("find \"$1\" -type f -print0 | xargs -0 -P{} -n 1 {program}", settings.cores);
    let mut peers = digests(settings);
    peers.insert(0, Peer::new("openssl", each("openssl sha1")).at_most(1.0));
    peers.insert(1, Peer::new("sha1sum", each("sha1sum")));
    peers.push(Peer::new("rhash", each("rhash --sha1")));
    peers.push(Peer::new("b3sum", "b3sum $(find \"$1\" -type f)".to_owned()));
    peers
}

fn digests(settings: &Settings) -> Vec<Peer> {
    vec![
        Peer::new("hashdeep", format!("hashdeep -c sha1 -r -j{} \"$1\"", settings.cores)),
        Peer::new("rclone", format!("rclone hashsum sha1 --checkers {} \"$1\"", settings.cores)),
    ]
}

pub fn words(settings: &Settings) -> Vec<Peer> {
    let wc = |locale: &str| {
        let cores = settings.cores;
        format!("export LC_ALL={locale}; find \"$1\" -type f -print0 | xargs -0 -P{cores} -n 4 wc -lwc")
    };
    vec![Peer::new("wc", wc("C.UTF-8")).at_most(1.0 / 3.0), Peer::new("wc", wc("C"))]
}

/// How often each word occurs: one awk per core counts its share of the files, and one more adds
/// up. The shares go through files, because lines of several writers to one pipe mix.
pub fn frequencies(settings: &Settings) -> Vec<Peer> {
    let cores = settings.cores;
    let count = r#"{ for (i = 1; i <= NF; i++) n[$i]++ } END { for (w in n) print n[w] "\t" w }"#;
    let add = r#"{ n[$2] += $1 } END { for (w in n) print n[w] "\t" w }"#;
    let each = format!(
        "d=$(mktemp -d); for k in $(seq 0 $(({cores} - 1))); do \
         find \"$1\" -type f | sort | awk \"NR % {cores} == $k\" | xargs awk '{count}' > $d/$k & done; wait;"
    );
    let sum = format!("cat $d/* | awk -F '\t' '{add}' | LC_ALL=C sort -t \"$(printf '\\t')\" -k1,1nr -k2; rm -r $d");
    vec![Peer::new("awk", format!("export LC_ALL=C; {each} {sum}")).at_most(1.0 / 3.0)]
}
