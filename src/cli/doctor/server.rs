//! The connection to the broker, its version, limits and alarms. No I/O.

use std::time::Duration;

use shared::protocol::limits::{ACK_TIMEOUT_HEARTBEATS, HEARTBEAT, MESSAGE_BYTES_MAX, SEAL_BYTES_MAX};
use shared::transport::TransportError;
use shared::transport::rabbitmq::probe::{Limits, Reach, Refusal, Server};

use super::Scope;
use super::finding::Finding;

/// The oldest version of RabbitMQ that was tested.
const VERSION_MIN: (u32, u32) = (3, 10);

/// Connections of each role: publishing, consuming, control.
pub(super) const CONNECTIONS: usize = 3;

/// Least frame size in bytes: a message's headers and ids travel in one frame, with room to spare.
const FRAME_BYTES_MIN: u32 = 32 * 1024;

/// The largest message that a role publishes, in bytes.
pub(super) const MESSAGE_BYTES: usize = MESSAGE_BYTES_MAX + SEAL_BYTES_MAX;

/// Judges how far a connection gets before the login.
pub(super) fn reached(reach: &Reach) -> Finding {
    match reach {
        Reach::UnknownHost { host, cause } => Finding::fail(
            "host",
            format!("{host} has no address: {cause}"),
            "correct the host in --broker or PACKHORSE_BROKER, or this machine's name service",
        ),
        Reach::NoListener { host, port, cause } => Finding::fail(
            "port",
            format!("no program accepts connections at {host}:{port}: {cause}"),
            "start the broker, correct the port (5672, with TLS 5671), or open it in the firewall",
        ),
        Reach::NoGreeting { host, port, cause } => Finding::fail(
            "handshake",
            format!("{host}:{port} accepts connections, but does not speak AMQP: {cause}"),
            "if the broker hangs, start it again; otherwise give its port for AMQP (5672; with TLS 5671 and amqps://)",
        ),
        Reach::Greeted(server) => version(server),
    }
}

fn version(Server { product, version }: &Server) -> Finding {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    let known = numbers.next().zip(numbers.next()).filter(|_| product == "RabbitMQ");
    let shown = format!("{product} {version}");
    match known {
        Some(known) if known < VERSION_MIN => Finding::fail(
            "version",
            format!("{shown} answers, which is too old"),
            format!("use RabbitMQ {}.{} or later", VERSION_MIN.0, VERSION_MIN.1),
        ),
        Some(_) => Finding::ok("version", format!("{shown} answers")),
        None => {
            Finding::warn("version", format!("{shown} answers, which Packhorse is not tested with"), "use RabbitMQ")
        }
    }
}

/// Judges why the broker refused a connection.
pub(super) fn refused(error: &TransportError) -> Finding {
    let (subject, remedy) = match error {
        TransportError::Credentials { .. } => ("login", ""),
        TransportError::VirtualHost { .. } => ("virtual host", ""),
        TransportError::Tls { .. } => ("TLS", ""),
        TransportError::Unreachable { cause, .. } if cause.contains("limit") => {
            ("connections", "raise the limit of the user or the virtual host (rabbitmqctl list_vhost_limits)")
        }
        _ => ("handshake", "look into the broker's log"),
    };
    Finding::fail(subject, error.to_string(), remedy)
}

/// Judges the login, and the results of `more` connections at the same time.
pub(super) fn connected(scope: &Scope, more: &[Result<(), TransportError>]) -> Finding {
    let open = 1 + more.iter().filter(|one| one.is_ok()).count();
    match more.iter().find_map(|one| one.as_ref().err()) {
        None => Finding::ok("login", format!("user {:?} may connect, {open} times at once", scope.user)),
        Some(cause) => Finding::fail(
            "connections",
            format!("only {open} of the {CONNECTIONS} connections that a role needs are accepted: {cause}"),
            "raise the limit of the user or the virtual host (rabbitmqctl list_vhost_limits), or of the broker's files",
        ),
    }
}

/// Judges the limits that the client and the broker have agreed on.
pub(super) fn agreed(scope: &Scope, limits: Limits) -> Finding {
    // Each subscription has a channel: two workloads per root, the steps workload, and control
    // messages. Declarations need some more.
    let channels = u16::try_from(scope.roots.len() * 2 + 6).unwrap_or(u16::MAX);
    if (1..channels).contains(&limits.channels) {
        return Finding::fail(
            "limits",
            format!(
                "channel_max is too small: a connection may have {} at a time, and a consumer needs {channels}",
                limits.channels
            ),
            "raise channel_max in rabbitmq.conf",
        );
    }
    if (1..FRAME_BYTES_MIN).contains(&limits.frame_bytes) {
        return Finding::fail(
            "limits",
            format!("a frame may have {} bytes, and headers need up to {FRAME_BYTES_MIN}", limits.frame_bytes),
            "raise frame_max in rabbitmq.conf, or leave it out of the URL",
        );
    }
    Finding::ok("limits", format!("{} channels a connection, {} bytes a frame", limits.channels, limits.frame_bytes))
}

/// Judges whether the broker took a message; `None` if this user may not publish anywhere.
pub(super) fn alarm(taken: Option<&Result<(), Refusal>>) -> Finding {
    match taken {
        None => Finding::ok("alarm", "not checked: this user may not publish"),
        Some(Ok(())) => Finding::ok("alarm", "there is none: the broker takes messages"),
        Some(Err(Refusal::Blocked(reason))) => Finding::fail(
            "alarm",
            format!("the broker takes no messages: {reason}"),
            "free memory or disk at the broker (rabbitmq-diagnostics alarms); waiting work then goes on by itself",
        ),
        Some(Err(refusal)) => Finding::fail(
            "alarm",
            format!("the broker does not say whether it takes messages: {refusal}"),
            "look into the broker's log",
        ),
    }
}

/// Judges whether the broker took a message of the largest size.
pub(super) fn size(taken: &Result<(), Refusal>) -> Finding {
    match taken {
        Ok(()) => Finding::ok("message size", format!("the largest message, {MESSAGE_BYTES} bytes, is taken")),
        Err(Refusal::Precondition(text)) => Finding::fail(
            "message size",
            format!("a message of {MESSAGE_BYTES} bytes is refused: {text}"),
            "raise max_message_size in rabbitmq.conf",
        ),
        Err(refusal) => Finding::fail(
            "message size",
            format!("a message of {MESSAGE_BYTES} bytes does not come through: {refusal}"),
            "look into the broker's log, and at what is between it and this machine",
        ),
    }
}

/// Judges whether the broker makes a queue like ours. The flag says whether dead-lettering was part
/// of it; `None` if this user may not declare queues.
pub(super) fn features(made: Option<(&Result<(), Refusal>, bool)>) -> Finding {
    match made {
        None => Finding::ok("features", "not checked: this user may not declare queues"),
        Some((Ok(()), true)) => {
            Finding::ok("features", "quorum queues, dead letters and single active consumers are supported")
        }
        Some((Ok(()), false)) => Finding::ok(
            "features",
            "quorum queues and single active consumers are supported; this user may not try dead letters",
        ),
        Some((Err(refusal), _)) => Finding::fail(
            "features",
            format!("the broker cannot make a quorum queue with the arguments that roles need: {refusal}"),
            "enable them (rabbitmqctl enable_feature_flag all), or use RabbitMQ 3.10 or later",
        ),
    }
}

/// Judges `assumed`, the time-out that the user gave: the broker's own cannot be read over AMQP.
pub(super) fn ack_timeout(assumed: Duration) -> Finding {
    let subject = "acknowledgement time-out";
    let seconds = assumed.as_secs_f64();
    let least = HEARTBEAT * ACK_TIMEOUT_HEARTBEATS;
    if assumed < least {
        return Finding::fail(
            subject,
            format!(
                "{seconds} s are less than the {} s that a consumer with its usual heartbeat needs",
                least.as_secs()
            ),
            "raise consumer_timeout in rabbitmq.conf, or start consumers with a shorter --heartbeat",
        );
    }
    let remedy = "if consumer_timeout in rabbitmqctl environment is less, give --ack-timeout here and to consumers";
    Finding::ok(subject, format!("assumed to be {seconds} s, because it cannot be read over AMQP; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn versions_are_told_apart() {
        let of = |product: &str, version: &str| {
            reached(&Reach::Greeted(Server { product: product.to_owned(), version: version.to_owned() })).level
        };
        assert_eq!(of("RabbitMQ", "3.9.29"), Level::Fail);
        assert_eq!(of("RabbitMQ", "3.10.8"), Level::Ok);
        assert_eq!(of("RabbitMQ", "4.3.0-rc.1"), Level::Ok);
        assert_eq!(of("RabbitMQ", ""), Level::Warn);
        assert_eq!(of("LavinMQ", "2.0"), Level::Warn);
    }

    #[test]
    fn what_the_broker_refuses_is_named() {
        let words = || "invalid arg 'x-queue-type'".to_owned();
        assert_eq!(features(Some((&Err(Refusal::Precondition(words())), true))).level, Level::Fail);
        assert_eq!(size(&Err(Refusal::Precondition("larger than max size 1024".to_owned()))).level, Level::Fail);
        assert_eq!(alarm(Some(&Err(Refusal::Blocked("low on disk".to_owned())))).level, Level::Fail);
        assert_eq!(alarm(None).level, Level::Ok);
    }
}
