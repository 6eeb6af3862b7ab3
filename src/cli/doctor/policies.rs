//! Broker policies that expire, drop or move messages in our queues. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use shared::protocol::topology::Queue;
use shared::transport::rabbitmq::probe::{POLICY_LOOK, Refusal, Treatment};

use super::finding::Finding;

const SUBJECT: &str = "policies";

/// Judges what was observed in queues named like ours.
pub(super) fn judge(vhost: &str, seen: &Result<Vec<(Queue, Treatment)>, Refusal>) -> Finding {
    let list = format!("rabbitmqctl list_policies --vhost {vhost:?} (and list_operator_policies)");
    let seen = match seen {
        Ok(seen) => seen,
        Err(Refusal::Forbidden(_)) => {
            let what =
                format!("not checked: this user may not declare test queues; an operator lists policies with {list}");
            return Finding::ok(SUBJECT, what);
        }
        Err(refusal) => {
            return Finding::ok(SUBJECT, format!("not checked: {refusal}; an operator lists policies with {list}"));
        }
    };
    let mut troubles: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (queue, treatment) in seen {
        for trouble in told(treatment) {
            troubles.entry(trouble).or_default().insert(form(&queue.name));
        }
    }
    if troubles.is_empty() {
        let seconds = POLICY_LOOK.as_secs();
        return Finding::ok(
            SUBJECT,
            format!(
                "within {seconds} s no policy expired, dropped or moved messages in queues named like ours; an \
                 operator finds slower policies with {list}"
            ),
        );
    }
    let what = format!("a policy of the broker affects our queues: {}", join(&troubles));
    Finding::warn(SUBJECT, what, format!("find it with {list}, and keep it off names that begin with packhorse."))
}

/// Queues whose names differ only in the last words are named together.
fn form(name: &str) -> String {
    let words: Vec<&str> = name.split('.').take(3).collect();
    format!("{}.*", words.join("."))
}

fn told(treatment: &Treatment) -> Vec<String> {
    let Treatment { is_deleted, expired_after, takes, moved_to, given_up_after } = treatment;
    let mut told = Vec::new();
    if *is_deleted {
        told.push("unused queues are deleted with their messages (expires)".to_owned());
    }
    if let Some(after) = expired_after {
        // Half seconds, so that one policy gives the same text for all queues.
        let seconds = (after.as_secs_f64() * 2.0).floor() / 2.0;
        told.push(format!("messages expire after about {seconds} s (message-ttl)"));
    }
    if let Some(messages) = takes {
        told.push(match messages {
            0 => "no message of a usual size is taken (max-length, max-length-bytes)".to_owned(),
            _ => format!("no more than {messages} messages are taken (max-length, max-length-bytes)"),
        });
    }
    if let Some(key) = moved_to {
        told.push(format!(
            "dead letters get the routing key {key:?}, so owners do not get them (dead-letter-routing-key)"
        ));
    }
    if let Some(returns) = given_up_after {
        told.push(format!(
            "messages are dropped or dead-lettered when they come back {returns} times (delivery-limit)"
        ));
    }
    told
}

fn join(troubles: &BTreeMap<String, BTreeSet<String>>) -> String {
    let one = |(trouble, forms): (&String, &BTreeSet<String>)| {
        format!("{trouble} in {}", forms.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
    };
    troubles.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shared::protocol::topology::{self, CONSUMER_QUEUES, CONTROL_QUEUES, LIGHT_QUEUES, REPLY_QUEUES, TASKS};

    use super::super::finding::Level;
    use super::*;

    fn judged(treat: impl Fn(&Queue) -> Treatment) -> Finding {
        let seen = topology::lookalikes().into_iter().map(|queue| (queue.clone(), treat(&queue))).collect();
        judge("/", &Ok(seen))
    }

    #[test]
    fn what_is_seen_is_one_finding_and_what_is_not_seen_has_a_command() {
        let none = judged(|_| Treatment::default());
        assert_eq!(none.level, Level::Ok);
        assert!(none.line().contains(r#"rabbitmqctl list_policies --vhost "/""#), "{}", none.line());
        let forbidden = judge("v", &Err(Refusal::Forbidden("no".to_owned())));
        assert_eq!(forbidden.level, Level::Ok);
        assert!(forbidden.line().contains(r#"list_policies --vhost "v""#), "{}", forbidden.line());
        let all = judged(|queue| Treatment {
            is_deleted: queue.name.contains(".replies."),
            expired_after: Some(Duration::from_millis(2_013)),
            takes: Some(7),
            moved_to: Some("else\nwhere".to_owned()),
            given_up_after: Some(3),
        });
        assert_eq!(all.level, Level::Warn);
        let line = all.line();
        for said in [
            format!("deleted with their messages (expires) in {REPLY_QUEUES}*;"),
            format!("expire after about 2 s (message-ttl) in {CONSUMER_QUEUES}*, {CONTROL_QUEUES}*, {LIGHT_QUEUES}*, "),
            format!("no more than 7 messages are taken (max-length, max-length-bytes) in {CONSUMER_QUEUES}*, "),
            r#"the routing key "else\nwhere""#.to_owned(),
            format!("when they come back 3 times (delivery-limit) in {CONSUMER_QUEUES}*, "),
        ] {
            assert!(line.contains(&said), "{said}: {line}");
        }
        let tasks = format!("{TASKS}.*");
        assert_eq!((line.matches("(message-ttl)").count(), line.matches(&tasks).count()), (1, 4), "{line}");
    }
}
