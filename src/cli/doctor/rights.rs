//! The permissions that each role needs, and the broker's answers. No I/O.

use shared::protocol::definitions::Role;
use shared::protocol::id::{Class, JobId, OwnerId};
use shared::protocol::topology::{self, Binding, CONTROL, DEAD, OUTCOMES, PLANS, Queue, TASKS};
use shared::protocol::workload::{TaskQueue, Workload, steps};
use shared::system::random;
use shared::transport::rabbitmq::probe::Refusal;

use super::finding::Finding;
use super::{Scope, name_of};

/// One operation of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// Has a queue of its own.
    Own(Queue, Vec<Binding>),
    /// Declares a queue that another process may be holding now.
    Declare(String),
    Publish(&'static str, String),
    /// Consumes from `queue`. `like` is a name of the same form without a queue: if this user may
    /// consume from it, the real queue need not be touched.
    Consume {
        queue: String,
        like: String,
    },
}

impl Need {
    fn shown(&self) -> String {
        match self {
            Self::Own(queue, bindings) => {
                let bound: Vec<_> = bindings.iter().map(|to| format!("{} with {}", to.exchange, to.key)).collect();
                format!("have a queue {} bound to {}", queue.name, bound.join(", "))
            }
            Self::Declare(queue) => format!("declare {queue}"),
            Self::Publish(exchange, key) => format!("publish to {exchange} with key {key}"),
            Self::Consume { queue, .. } => format!("consume from {queue}"),
        }
    }
}

pub(super) fn needs(scope: &Scope, role: Role) -> Vec<Need> {
    let (owner, command) = (&scope.owner, &scope.command);
    let token = JobId::from_name(random::token().as_bytes());
    let reply = || Need::Publish(CONTROL, topology::reply_key(&token));
    let own = |(queue, bindings)| Need::Own(queue, bindings);
    let to = |exchange, key: &str| Need::Publish(exchange, key.to_owned());
    let class = scope.classes().next().unwrap_or_else(steps::class);
    // No workload of today has light queues, so the name of one is made of any workload's.
    let name = Class::from_name(token.as_str().as_bytes());
    let light = |owner: Option<&OwnerId>| {
        let (kind, workload) = (TaskQueue::Light, Workload::Steps);
        let (queue, binding) = match owner {
            Some(owner) => topology::tasks_of_in(kind, workload, &name, owner),
            None => topology::tasks_in(kind, workload, &name),
        };
        Need::Own(queue, vec![binding])
    };
    let task_of = |owner| topology::task_key(Workload::Digest, &class, owner);
    match role {
        Role::Producer => vec![
            own(topology::replies(&token)),
            to(PLANS, &topology::plan_key(owner)),
            to(CONTROL, &topology::owner_request_key(owner)),
            to(CONTROL, topology::ALL_OWNERS),
        ],
        Role::Consumer => {
            let mut needs = vec![
                own(topology::consumer_control(&shared::protocol::id::ConsumerId::from_name(
                    token.as_str().as_bytes(),
                ))),
                to(OUTCOMES, owner.as_str()),
                Need::Publish(DEAD, task_of(owner)),
                to(CONTROL, topology::PRESENCE),
                light(None),
            ];
            needs.extend(tasks(scope).map(|(workload, class)| Need::Consume {
                queue: topology::tasks(workload, &class).0.name,
                like: topology::tasks(workload, &Class::from_name(token.as_str().as_bytes())).0.name,
            }));
            needs
        }
        Role::Reducer => {
            let queue = topology::service_owner(owner).0.name;
            vec![
                own(topology::replies(&token)),
                Need::Declare(topology::owner_control(owner).0.name),
                Need::Consume { like: queue.clone(), queue },
                Need::Publish(TASKS, task_of(owner)),
                light(Some(owner)),
                to(DEAD, "refused"),
                to(CONTROL, topology::ALL_CONSUMERS),
                reply(),
            ]
        }
        Role::Submitter => vec![
            own(topology::command_owner(command)),
            own(topology::owner_control(command)),
            Need::Publish(TASKS, task_of(command)),
            light(Some(command)),
            to(DEAD, "refused"),
            to(CONTROL, topology::ALL_CONSUMERS),
            reply(),
        ],
    }
}

/// What a consumer serves: file workloads on its roots, or without roots the workload that every
/// consumer serves.
pub(super) fn tasks(scope: &Scope) -> impl Iterator<Item = (Workload, Class)> {
    let needs_root = |workload: &Workload| workload.descriptor().classes.are_of_roots();
    let of_roots = Workload::ALL.into_iter().filter(needs_root);
    let of_roots =
        scope.classes().flat_map(move |class| of_roots.clone().map(move |workload| (workload, class.clone())));
    let of_anyone = Workload::ALL.into_iter().filter(move |workload| scope.roots.is_empty() && !needs_root(workload));
    let none = std::iter::empty;
    of_roots.chain(of_anyone.flat_map(move |workload| {
        let classes = workload.descriptor().classes.for_roots(none());
        classes.into_iter().map(move |class| (workload, class))
    }))
}

/// Judges the broker's answers to the needs of a role. `answers` lacks the needs that could not be
/// tried.
pub(super) fn judge(scope: &Scope, role: Role, answers: &[(Need, Result<(), Refusal>)]) -> Finding {
    let (subject, user) = (format!("permissions ({})", name_of(role)), &scope.user);
    let mut forbidden: Vec<String> = Vec::new();
    let mut unclear: Vec<String> = Vec::new();
    for (need, answer) in answers {
        match answer {
            // Missing parts are reported with the exchanges and queues.
            Ok(()) | Err(Refusal::Missing | Refusal::Locked) => {}
            Err(Refusal::Forbidden(_)) => forbidden.push(need.shown()),
            Err(refusal) => unclear.push(format!("{} ({refusal})", need.shown())),
        }
    }
    let remedy = || {
        format!(
            "give user {user:?} the rights that packhorse topology --definitions prints for a {} \
             (rabbitmqctl set_permissions, set_topic_permissions)",
            name_of(role)
        )
    };
    if !forbidden.is_empty() {
        return Finding::fail(subject, format!("user {user:?} may not {}", forbidden.join("; may not ")), remedy());
    }
    if !unclear.is_empty() {
        let what = format!("the broker does not say whether user {user:?} may {}", unclear.join("; or may "));
        return Finding::warn(subject, what, "look into the broker's log");
    }
    Finding::ok(subject, format!("user {user:?} may do the {} operations that were tried", answers.len()))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_consumer_needs_the_queues_of_its_roots() {
        let queues = |roots: &[&str]| {
            let needs = needs(&Scope::of(&[Role::Consumer], roots), Role::Consumer).into_iter();
            needs.filter(|need| matches!(need, Need::Consume { .. })).map(|need| need.shown()).collect::<Vec<_>>()
        };
        let of = |workload, class: &[u8]| {
            format!("consume from {}", topology::tasks(workload, &Class::from_name(class)).0.name)
        };
        assert_eq!(queues(&["a"]), [of(Workload::Digest, b"a"), of(Workload::Words, b"a")]);
        assert_eq!(queues(&[]), [format!("consume from {}", topology::tasks(Workload::Steps, &steps::class()).0.name)]);
    }

    #[test]
    fn all_that_is_forbidden_is_one_finding() {
        let scope = Scope::of(&[Role::Consumer], &[]);
        let needs = needs(&scope, Role::Consumer);
        let judged = |answer: Result<(), Refusal>| {
            let answers: Vec<_> = needs.iter().map(|need| (need.clone(), answer.clone())).collect();
            judge(&scope, Role::Consumer, &answers)
        };
        assert_eq!(judged(Ok(())).level, Level::Ok);
        assert_eq!(judged(Err(Refusal::Missing)).level, Level::Ok);
        assert_eq!(judged(Err(Refusal::Other("no answer".to_owned()))).level, Level::Warn);
        let refused = judged(Err(Refusal::Forbidden("refused".to_owned())));
        assert_eq!((refused.level, refused.line().matches("may not").count()), (Level::Fail, needs.len()));
    }
}
