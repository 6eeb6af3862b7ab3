//! Exchanges and queues: which are needed, and in which state they are. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use shared::protocol::definitions::Role;
use shared::protocol::id::Class;
use shared::protocol::topology::{self, DEAD_QUEUE, Exchange, Queue, UNROUTED_QUEUE};
use shared::protocol::workload::Workload;
use shared::transport::rabbitmq::probe::{Arguments, Found, Refusal};

use super::finding::Finding;
use super::{Scope, rights};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Exchange(Exchange),
    Queue(Queue),
}

impl Part {
    fn shown(&self) -> String {
        match self {
            Self::Exchange(exchange) => format!("exchange {}", exchange.name),
            Self::Queue(queue) => format!("queue {}", queue.name),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Found(Found),
    /// It does not exist; says whether this user may declare it.
    Missing(Result<(), Refusal>),
    Unclear(Refusal),
}

/// The broker's reasons for the oldest dead letters, and how many have each.
pub(super) type Deaths = BTreeMap<String, usize>;

/// All exchanges and queues for these roles, their roots, and what live consumers serve.
pub(super) fn parts(scope: &Scope, served: &BTreeSet<(Workload, Class)>) -> Vec<Part> {
    let shared = topology::shared();
    let mut parts: Vec<Part> = shared.exchanges.into_iter().map(Part::Exchange).collect();
    parts.extend(shared.queues.into_iter().map(Part::Queue));
    let tasks: BTreeSet<_> = rights::tasks(scope).chain(served.iter().cloned()).collect();
    parts.extend(tasks.iter().map(|(workload, class)| Part::Queue(topology::tasks(*workload, class).0)));
    if scope.has(Role::Producer) || scope.has(Role::Reducer) {
        parts.push(Part::Queue(topology::service_owner(&scope.owner).0));
    }
    parts
}

/// A finding that counts the parts, then one for each part that is wrong.
pub(super) fn judge(scope: &Scope, standings: &[(Part, Standing)], deaths: &Deaths) -> Vec<Finding> {
    let (mut same, mut unknown, mut missing) = (0, 0, 0);
    let mut findings = Vec::new();
    for (part, standing) in standings {
        match standing {
            Standing::Found(Found { arguments: Arguments::Same, .. }) => same += 1,
            Standing::Found(Found { arguments: Arguments::Unknown, .. }) => unknown += 1,
            Standing::Found(Found { arguments: Arguments::Before, .. }) => findings.push(before(part)),
            Standing::Found(Found { arguments: Arguments::Other(text), .. }) => findings.push(differs(part, text)),
            Standing::Missing(Err(Refusal::Forbidden(_))) if is_needed(scope, part) => findings.push(absent(part)),
            Standing::Missing(_) => missing += 1,
            Standing::Unclear(refusal) => findings.push(Finding::fail(
                part.shown(),
                format!("the broker does not say whether it exists: {refusal}"),
                "look into the broker's log; a queue that hangs may have to be deleted",
            )),
        }
    }
    let counted = format!(
        "{same} are as this version declares them, {missing} do not exist and are declared when needed, {unknown} \
         exist, but only a user who may declare them can compare their arguments"
    );
    findings.insert(0, Finding::ok("exchanges and queues", counted));
    findings.extend([("dead letters", DEAD_QUEUE), ("unrouted messages", UNROUTED_QUEUE)].into_iter().filter_map(
        |(subject, name)| standings.iter().find_map(|(part, standing)| trace(subject, name, part, standing, deaths)),
    ));
    findings
}

fn before(part: &Part) -> Finding {
    Finding::warn(
        part.shown(),
        "the version before this one declared it, and it is used as it is: its dead-letter strategy is at-least-once, \
         which can hang a node of RabbitMQ 3.10",
        "when no role of that version runs any more, stop the roles, delete it once it is empty (rabbitmqctl \
         delete_queue), and start them again",
    )
}

fn differs(part: &Part, text: &str) -> Finding {
    Finding::fail(
        part.shown(),
        format!("it has other arguments than this version uses: {text}"),
        "stop the roles, delete it once it is empty (rabbitmqctl delete_queue), and start them again; \
         or use another virtual host",
    )
}

fn absent(part: &Part) -> Finding {
    Finding::fail(
        part.shown(),
        "it does not exist, and this user may not declare it",
        "load the output of packhorse topology --definitions (rabbitmqctl import_definitions)",
    )
}

/// Producers need only the shared parts; task queues are declared by the roles that use them.
fn is_needed(scope: &Scope, part: &Part) -> bool {
    let Part::Queue(queue) = part else { return true };
    // A light queue is made when it is needed, by roles that may: see the finding on permissions.
    if queue.expires.is_some() {
        return false;
    }
    let of_tasks = rights::tasks(scope).any(|(workload, class)| topology::tasks(workload, &class).0.name == queue.name);
    let of_owner = topology::service_owner(&scope.owner).0.name == queue.name;
    match (of_tasks, of_owner) {
        (true, _) => scope.roles.iter().any(|&role| role != Role::Producer),
        (_, true) => scope.has(Role::Reducer),
        _ => topology::shared().queues.contains(queue),
    }
}

/// A finding about the messages in the trace `name`, which should be empty.
fn trace(subject: &str, name: &str, part: &Part, standing: &Standing, deaths: &Deaths) -> Option<Finding> {
    let (Part::Queue(queue), Standing::Found(found)) = (part, standing) else { return None };
    if queue.name != name {
        return None;
    }
    if found.ready == 0 {
        return Some(Finding::ok(subject, "there are none"));
    }
    let mut what = format!("{} are in {name}", found.ready);
    let taken: usize = ["expired", "maxlen"].iter().filter_map(|reason| deaths.get(*reason)).sum();
    let remedy = if name == DEAD_QUEUE && taken > 0 {
        what.push_str(&format!(", and {taken} of the oldest were taken out of their queues by a policy of the broker"));
        "rabbitmqctl list_policies shows whether it is still there, and rabbitmqctl purge_queue empties the trace"
    } else if name == DEAD_QUEUE {
        "packhorse dead list shows those of a reducer's jobs, with reasons; rabbitmqctl purge_queue empties the trace"
    } else {
        "their queues did not exist when they were sent; rabbitmqctl purge_queue empties the trace"
    };
    Some(Finding::warn(subject, what, remedy))
}

#[cfg(test)]
mod tests {
    use shared::protocol::workload::{TaskQueue, steps};

    use super::super::finding::Level;
    use super::*;

    fn found(arguments: Arguments, ready: u32) -> Standing {
        Standing::Found(Found { arguments, ready })
    }

    /// The findings for these roles if all parts have this standing, without the first finding,
    /// which counts.
    fn judged(roles: &[Role], standing: &Standing) -> Vec<Finding> {
        let scope = Scope::of(roles, &["t"]);
        let standings: Vec<_> =
            parts(&scope, &BTreeSet::new()).into_iter().map(|part| (part, standing.clone())).collect();
        judge(&scope, &standings, &Deaths::new()).split_off(1)
    }

    fn level(findings: &[Finding]) -> Vec<Level> {
        let mut levels: Vec<Level> = findings.iter().map(|finding| finding.level).collect();
        levels.dedup();
        levels
    }

    #[test]
    fn what_is_there_as_it_should_be_or_will_be_made_is_no_fault() {
        for standing in [found(Arguments::Same, 0), found(Arguments::Unknown, 0), Standing::Missing(Ok(()))] {
            let findings = judged(&[Role::Consumer, Role::Reducer], &standing);
            assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
        }
    }

    #[test]
    fn what_differs_or_cannot_be_made_is_a_fault_of_its_own_name() {
        let differs = judged(&[Role::Consumer], &found(Arguments::Other("x-max-length".to_owned()), 0));
        // Six exchanges, two traces, two queues of tasks; the traces are empty besides.
        assert_eq!(differs.iter().filter(|finding| finding.level == Level::Fail).count(), 10);
        let forbidden = Standing::Missing(Err(Refusal::Forbidden("refused".to_owned())));
        assert_eq!(judged(&[Role::Consumer], &forbidden).len(), 10);
        assert_eq!(level(&judged(&[Role::Consumer], &forbidden)), [Level::Fail]);
        // A producer declares neither task queues nor the owner's queue.
        assert_eq!(judged(&[Role::Producer], &forbidden).len(), 8);
        assert_eq!(judged(&[Role::Reducer], &forbidden).len(), 11);
    }

    #[test]
    fn a_light_queue_that_is_not_there_is_no_fault() {
        let scope = Scope::of(&[Role::Consumer], &[]);
        let light = topology::tasks_in(TaskQueue::Light, Workload::Steps, &steps::class()).0;
        let forbidden = || Standing::Missing(Err(Refusal::Forbidden("refused".to_owned())));
        let findings = judge(&scope, &[(Part::Queue(light), forbidden())], &Deaths::new());
        assert_eq!(level(&findings), [Level::Ok]);
    }

    #[test]
    fn what_lies_in_the_traces_is_counted() {
        let findings = judged(&[Role::Producer], &found(Arguments::Same, 3));
        assert_eq!(level(&findings), [Level::Warn]);
        let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject.as_str()).collect();
        assert_eq!(subjects, ["dead letters", "unrouted messages"]);
        assert!(findings[0].line().contains("3 are in"), "{}", findings[0].line());
        let (part, standing) = (Part::Queue(topology::shared().queues[0].clone()), found(Arguments::Same, 3));
        let deaths = Deaths::from([("expired".to_owned(), 2), ("rejected".to_owned(), 1)]);
        let line = trace("dead letters", DEAD_QUEUE, &part, &standing, &deaths).expect("a finding").line();
        assert!(line.contains("2 of the oldest were taken out") && line.contains("list_policies"), "{line}");
    }
}
