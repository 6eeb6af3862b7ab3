//! `dead`: tasks that failed and are not tried again, read from their owners or from a store.

use std::cmp::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use reducer::ledger::Arrived;
use serde_json::{Value, json};
use shared::protocol::id::{OpeningId, OwnerId, TaskId};
use shared::protocol::job::JobStatus;
use shared::protocol::message::{DeadDetail, DeadTask, Reply, Request};
use shared::protocol::path::printable;

use super::args::dead::DeadShow;
use super::args::{DeadArgs, DeadCommand, DeadFilter};
use super::owners::{at_rest, change, check_one, gather, of_its_owner, reader};
use super::{Exit, Failure, broker, term};

pub async fn run(args: DeadArgs) -> Result<Exit, Failure> {
    // Check stdout first: the command must not fail to print after it has changed a job.
    term::can_print()?;
    match args.command {
        DeadCommand::List(args) => list(args).await,
        DeadCommand::Show(args) => show(args).await,
        DeadCommand::Replay(args) => replay(args).await,
        DeadCommand::Drop(args) => forget(args).await,
    }
}

async fn list(args: DeadFilter) -> Result<Exit, Failure> {
    let replies = match &args.from.state {
        Some(state) => {
            let reader = reader(state)?;
            vec![reader.dead(args.filter.as_deref()).map_err(|error| Failure::from(&error))?]
        }
        None => gather(args.from.whom(), &Request::Dead { filter: args.filter.clone() }).await?,
    };
    let (mut found, mut untold) = (Vec::new(), 0);
    for reply in replies {
        if let Reply::Dead { owner, tasks, more, .. } = reply {
            found.extend(tasks.into_iter().map(|dead| (owner.clone(), dead)));
            untold += more;
        }
    }
    let key = |(owner, dead): &Found| (dead.at, dead.task.clone(), owner.clone());
    found.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(Ordering::Equal));
    let line = |(owner, dead): &Found| {
        let mut value = json!(dead);
        value["owner"] = json!(owner);
        json_line("dead", value)
    };
    let text = if args.from.json { found.iter().map(line).collect() } else { table(&found) };
    term::print(text.as_bytes())?;
    if untold > 0 {
        term::complain(&format!("{untold} older dead tasks are not listed; give a job or a part of the reason"));
    }
    Ok(Exit::Success)
}

/// A dead task and its owner.
type Found = (OwnerId, DeadTask);

fn json_line(kind: &str, mut value: Value) -> String {
    value["type"] = kind.into();
    value["schema"] = 1.into();
    format!("{value}\n")
}

fn table(found: &[Found]) -> String {
    let mut text = format!(
        "{:<28} {:<12} {:<8} {:>6} {:>8} {:<16} {:>9} REASON\n",
        "TASK", "OWNER", "STATE", "ITEMS", "ATTEMPTS", "HOST", "AGE"
    );
    for (owner, dead) in found {
        text.push_str(&format!(
            "{:<28} {:<12} {:<8} {:>6} {:>8} {:<16} {:>9} {}\n",
            dead.task.to_string(),
            owner,
            dead.state.as_str(),
            dead.items,
            dead.attempts,
            printable(&dead.host),
            age(dead.at),
            printable(&dead.reason)
        ));
    }
    text
}

fn age(at: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    format!("{:.0} s", (now - at).max(0.0))
}

async fn show(args: DeadShow) -> Result<Exit, Failure> {
    let reply = match &args.from.state {
        Some(state) => {
            let found = reader(state)?.dead_task(&args.task).map_err(|error| Failure::from(&error))?;
            found.map(|detail| Reply::DeadTask(Box::new(detail)))
        }
        None => {
            let url = broker::required(&args.from.broker)?;
            let request = |_: &JobStatus| Request::DeadTask { task: args.task.clone() };
            Some(of_its_owner(&url, args.from.whom(), &args.task.job, request).await?)
        }
    };
    let Some(Reply::DeadTask(detail)) = reply else {
        return Err(Failure::usage(format!(
            "task {} is not dead; packhorse dead list shows the dead tasks",
            args.task
        )));
    };
    let text = if args.from.json { json_line("dead", json!(detail)) } else { describe(&detail) };
    term::print(text.as_bytes())?;
    Ok(Exit::Success)
}

fn describe(detail: &DeadDetail) -> String {
    let dead = &detail.dead;
    let mut text = format!(
        "task {} {} {} ago, after attempt {}, on {}\n  reason  {}\n",
        dead.task,
        dead.state.as_str(),
        age(dead.at),
        dead.attempts,
        printable(&dead.host),
        printable(&dead.reason)
    );
    for line in detail.stderr.lines() {
        text.push_str(&format!("  stderr  {}\n", printable(line)));
    }
    for returned in &detail.returned {
        let (host, reason) = (printable(&returned.host), printable(&returned.reason));
        text.push_str(&format!("  came back {} ago from {host}: {reason}\n", age(returned.at)));
    }
    for name in &detail.names {
        text.push_str(&format!("  item    {name}\n"));
    }
    let rest = (dead.items as usize).saturating_sub(detail.names.len());
    if rest > 0 {
        text.push_str(&format!("  and {rest} more items\n"));
    }
    text
}

/// Sends a change to the owners. If the filter names a job, only one owner may have it. The request
/// names the openings that exist now, so that jobs opened later are not changed.
async fn change_all(args: &DeadFilter, request: impl FnOnce(Vec<OpeningId>) -> Request) -> Result<Vec<Reply>, Failure> {
    let filter = args.filter.as_deref().unwrap_or_default();
    let job = filter.parse::<TaskId>().map(|task| task.job).or_else(|_| filter.parse());
    if let Ok(job) = job {
        check_one(args.from.whom(), &job).await?;
    }
    let listed = gather(args.from.whom(), &Request::Dead { filter: args.filter.clone() }).await?;
    let of = |reply| if let Reply::Dead { openings, .. } = reply { openings } else { Vec::new() };
    change(args.from.whom(), &request(listed.into_iter().flat_map(of).collect())).await
}

async fn replay(args: DeadFilter) -> Result<Exit, Failure> {
    let filter = args.filter.clone();
    let replies = match &args.from.state {
        Some(state) => vec![at_rest(state, |reply| Arrived::Replay { filter, openings: None, reply })?],
        None => change_all(&args, |openings| Request::Replay { filter, openings }).await?,
    };
    let (mut back, mut left) = (0, 0);
    for reply in replies {
        if let Reply::Replayed { tasks, kept } = reply {
            back += tasks;
            left += kept;
        }
    }
    let then = match &args.from.state {
        Some(state) => format!("; run the command with --state {} again to do them", state.display()),
        None => String::new(),
    };
    let text = if args.from.json {
        json_line("replayed", json!({"tasks": back, "kept": left}))
    } else {
        format!("{back} tasks will be done again{then}\n")
    };
    term::print(text.as_bytes())?;
    if left > 0 {
        term::complain(&format!("{left} tasks stay dead: their job is cancelled, or its report is being written"));
    }
    Ok(Exit::Success)
}

async fn forget(args: DeadFilter) -> Result<Exit, Failure> {
    let filter = args.filter.clone();
    let replies = match &args.from.state {
        Some(state) => vec![at_rest(state, |reply| Arrived::Forget { filter, openings: None, reply })?],
        None => change_all(&args, |openings| Request::Forget { filter, openings }).await?,
    };
    let dropped = |reply: &Reply| if let Reply::Forgotten { tasks } = reply { *tasks } else { 0 };
    let tasks: u64 = replies.iter().map(dropped).sum();
    let text = match tasks {
        _ if args.from.json => json_line("forgotten", json!({"tasks": tasks})),
        0 => "no dead task matches\n".to_owned(),
        tasks => format!("{tasks} dead tasks are no longer listed; they stay failed\n"),
    };
    term::print(text.as_bytes())?;
    Ok(Exit::Success)
}
