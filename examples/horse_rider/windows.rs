//! `launch --windows`: each role in a window of a tmux session, over a broker.

use std::ffi::OsString;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

use super::caravan::windows::{LOOKS, Session, Window, WindowsError};
use super::caravan::{Lap, Role, expected_steps, steps_of};
use packhorse::cli::{Exit, Failure, broker, signals, term};
use shared::protocol::limits;
use shared::protocol::message::{Reply, Request};
use shared::protocol::workload::steps;
use shared::system::environment::temporary;
use shared::system::shutdown::Shutdown;
use shared::transport::Transport;
use shared::transport::ask::Asker;
use tokio::task::block_in_place;

use super::launch::arrival;
use super::{LaunchArgs, reach};

const REDUCER: &str = "reducer";

pub async fn launch(args: LaunchArgs) -> Result<Exit, Failure> {
    broker::for_role(&args.broker)?.ok_or_else(|| {
        Failure::usage("--windows runs each role as a process, and they meet at a broker: give --broker URL")
    })?;
    term::can_print()?;
    // A broker that is away or refuses is told here, and not in a window.
    let Some((_, transport, shutdown)) = reach(&args.broker).await? else { return Ok(Exit::Interrupted) };
    let result = watch(&args, &transport, &shutdown).await;
    transport.close().await;
    term::print(format!("{}\n", arrival(&result?)).as_bytes())?;
    Ok(Exit::Success)
}

async fn watch(args: &LaunchArgs, transport: &Arc<dyn Transport>, shutdown: &Shutdown) -> Result<Lap, Failure> {
    let unfinished = |error: std::io::Error| Failure::unfinished(format!("cannot open the windows: {error}"));
    let program = std::env::current_exe().map_err(unfinished)?;
    let state = tempfile::Builder::new().prefix("packhorse-caravan-").tempdir_in(temporary()).map_err(unfinished)?;
    let windows = windows(args, &state.path().join("caravan.sqlite"));
    let mut environment = args.broker.security.environment();
    environment.extend(args.broker.broker.iter().map(|url| ("PACKHORSE_BROKER", url.into())));
    let started = Instant::now();
    let session = block_in_place(|| Session::open(&program, &windows, &environment)).map_err(failure)?;
    let (undertaker, directory) = (session.undertaker(), state.path().to_owned());
    signals::before_exit(move || {
        undertaker();
        // The process ends now: what cannot be removed stays.
        let _ = std::fs::remove_dir_all(directory);
    });
    let viewer = session.attach(&Role::Rider(0).to_string()).map_err(failure)?;
    if viewer.is_none() {
        term::say(&format!("the windows: {}\n", session.how_to_watch()));
    }
    let mut names: Vec<String> = windows.into_iter().map(|window| window.name).collect();
    let result = match arrive(args, &session, shutdown).await {
        Ok(()) => account(args, transport, started).await,
        Err(error) => Err(error),
    };
    // In the order of the flow, so that each finds the next one still there; the reducer is first.
    names.reverse();
    let (roles, owner) = names.split_at(names.len() - 1);
    let goodbye = block_in_place(|| session.interrupt(roles).and_then(|()| session.interrupt(owner)));
    drop(session);
    leave(viewer);
    if let (Ok(_), Err(error)) = (&result, goodbye) {
        return Err(failure(error));
    }
    result
}

fn windows(args: &LaunchArgs, state: &Path) -> Vec<Window> {
    let caravan = &args.caravan;
    let owner = ["--owner".into(), caravan.owner.to_string()];
    let window = |name: String, role: &[String]| Window { name, arguments: role.iter().map(OsString::from).collect() };
    let mut reducer = window(REDUCER.to_owned(), &[&[REDUCER.to_owned()], &owner[..]].concat());
    reducer.arguments.extend(["--state".into(), state.into()]);
    let horses = (0..args.horses)
        .map(|number| window(Role::Horse(number).to_string(), &["horse".to_owned(), number.to_string()]));
    let riders = (0..args.riders).map(|number| {
        let mut role = vec!["rider".to_owned(), number.to_string()];
        role.extend(owner.clone());
        role.extend(["--caravan".to_owned(), caravan.caravan.to_string()]);
        role.extend(["--whips".to_owned(), caravan.whips.to_string()]);
        if args.interactive {
            role.push("--interactive".to_owned());
        }
        window(Role::Rider(number).to_string(), &role)
    });
    std::iter::once(reducer).chain(horses).chain(riders).collect()
}

/// Waits until every rider has ended well.
async fn arrive(args: &LaunchArgs, session: &Session, shutdown: &Shutdown) -> Result<(), Failure> {
    let stopped = || Failure::new(Exit::Interrupted, "stopped before the riders arrived");
    loop {
        let ended = block_in_place(|| session.ended()).map_err(failure)?;
        let is_home = |name: &str| ended.get(name) == Some(&Some(0)) && name.starts_with("rider ");
        if let Some((name, code)) = ended.iter().find(|(name, _)| !is_home(name)) {
            if *code == Some(i32::from(Exit::Interrupted.code())) {
                return Err(stopped());
            }
            let words = block_in_place(|| session.last_words(name)).map_err(failure)?;
            let how = code.map_or("by a signal".to_owned(), |code| format!("with exit code {code}"));
            return Err(Failure::unfinished(format!("{name} has ended {how} before the riders arrived: {words}")));
        }
        if (0..args.riders).all(|number| is_home(&Role::Rider(number).to_string())) {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = shutdown.asked() => return Err(stopped()),
            () = tokio::time::sleep(LOOKS) => {}
        }
    }
}

/// Asks the reducer, and does the sum again.
async fn account(args: &LaunchArgs, transport: &Arc<dyn Transport>, started: Instant) -> Result<Lap, Failure> {
    let seconds = started.elapsed().as_secs_f64();
    let mut asker = Asker::new(Arc::clone(transport)).await?;
    let (mut whips, mut expected, mut steps) = (0, 0_i64, 0);
    for rider in 0..args.riders {
        let spec = steps::Spec { caravan: args.caravan.caravan.clone(), rider, whips: args.caravan.whips, needs: 0 };
        let request = Request::Status { job: spec.job() };
        let reply = asker.ask(&args.caravan.owner, &request, limits::CONTROL_TIMEOUT).await?;
        let Some(Reply::Status(status)) = reply else {
            return Err(Failure::unfinished(format!("the reducer does not say how rider {rider} arrived")));
        };
        whips += status.counts.tasks_done;
        expected = expected.saturating_add(expected_steps(1, status.counts.tasks_done));
        steps = steps_of(&status);
    }
    if steps != expected {
        return Err(Failure::unfinished(format!("the caravan took {steps} steps instead of {expected}")));
    }
    Ok(Lap { whips, steps, seconds })
}

fn failure(error: WindowsError) -> Failure {
    match error {
        WindowsError::Missing => Failure::usage(error),
        error => Failure::unfinished(error),
    }
}

/// The viewer ends with the session that it shows.
fn leave(viewer: Option<Child>) {
    if let Some(mut viewer) = viewer {
        // Its end is all that matters: after it the terminal is ours again.
        let _ = viewer.wait();
    }
}
