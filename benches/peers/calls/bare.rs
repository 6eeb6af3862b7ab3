//! Publish, consume and reply with the client library alone: the least that a call over RabbitMQ takes
//! if it is confirmed.

use std::time::Instant;

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, Consumer};

/// Where requests go.
const QUEUE: &str = "bare";
const TRANSIENT: u8 = 1;

/// The p50 and p99 of so many calls, one after the other, in milliseconds.
pub fn latency(url: &str, calls: u64) -> [f64; 2] {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut took = runtime.block_on(measure(url, calls)).expect("the broker serves");
    took.sort_by(f64::total_cmp);
    [50, 99].map(|percent| took[(took.len() - 1) * percent / 100])
}

async fn measure(url: &str, calls: u64) -> lapin::Result<Vec<f64>> {
    let served = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = confirmed(&served).await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(QUEUE.into(), durable, FieldTable::default()).await?;
    let requests = consume(&channel, QUEUE.into(), false).await?;
    let server = tokio::spawn(serve(channel, requests));

    let calling = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = confirmed(&calling).await?;
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let answers = channel.queue_declare(ShortString::default(), exclusive, FieldTable::default()).await?;
    let reply_to = answers.name().clone();
    let mut replies = consume(&channel, reply_to.clone(), true).await?;
    let mut took = Vec::new();
    for number in 0..calls {
        let begun = Instant::now();
        let properties = BasicProperties::default().with_reply_to(reply_to.clone());
        publish(&channel, QUEUE.into(), &number.to_be_bytes(), properties).await?;
        let reply = replies.next().await.expect("the queue stays")?;
        took.push(begun.elapsed().as_secs_f64() * 1_000.0);
        assert_eq!(reply.data, number.to_be_bytes(), "the reply to this call");
    }
    channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await?;
    calling.close(200, "done".into()).await?;
    // The consumer ends with its queue.
    server.await.expect("no panic")?;
    served.close(200, "done".into()).await?;
    Ok(took)
}

/// Sends each request back, and acks it once the reply is confirmed.
async fn serve(channel: Channel, mut requests: Consumer) -> lapin::Result<()> {
    while let Some(request) = requests.next().await {
        let request = request?;
        let reply_to = request.properties.reply_to().clone().expect("a request says where its reply goes");
        publish(&channel, reply_to, &request.data, BasicProperties::default()).await?;
        request.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// A channel whose messages are confirmed.
async fn confirmed(connection: &Connection) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

async fn consume(channel: &Channel, queue: ShortString, no_ack: bool) -> lapin::Result<Consumer> {
    let options = BasicConsumeOptions { no_ack, ..BasicConsumeOptions::default() };
    channel.basic_consume(queue, ShortString::default(), options, FieldTable::default()).await
}

/// Returns once the broker has confirmed the message.
async fn publish(channel: &Channel, queue: ShortString, data: &[u8], properties: BasicProperties) -> lapin::Result<()> {
    let properties = properties.with_delivery_mode(TRANSIENT);
    let options = BasicPublishOptions::default();
    let confirm = channel.basic_publish(ShortString::default(), queue, options, data, properties).await?.await?;
    assert!(confirm.is_ack(), "the broker takes the message");
    Ok(())
}
