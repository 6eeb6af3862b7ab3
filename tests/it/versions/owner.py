"""An owner as the version before had it: owner.py AMQP_URL ROOT PATH... Needs the package pika.

Its queues have at-least-once dead letters. It knows no leases, no cancellations and no links of plans: what it does
not know it drops. Each path is a task; the last task asks for a digest that nobody computes.
"""
import json, pika, sys, time, uuid

url, root, *paths = sys.argv[1:]
me, store = "guest-" + uuid.uuid4().hex[:16], uuid.uuid4().hex[:16]
channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
channel.confirm_delivery()

LIMITS = {"x-overflow": "reject-publish", "x-max-length": 100000, "x-max-length-bytes": 4294967296}
WORK = LIMITS | {"x-queue-type": "quorum", "x-delivery-limit": 20, "x-dead-letter-exchange": "packhorse.v1.dead",
                 "x-dead-letter-strategy": "at-least-once"}
for name in ("unrouted", "tasks", "outcomes", "dead", "control"):
    alternate = {"alternate-exchange": "packhorse.v1.unrouted"} if name in ("tasks", "outcomes") else {}
    channel.exchange_declare("packhorse.v1." + name, "topic", durable=True, arguments=alternate)
tasks, own = f"packhorse.v1.tasks.digest.{root}", f"packhorse.v1.owner.{me}"
channel.queue_declare(tasks, durable=True, arguments=WORK)
channel.queue_bind(tasks, "packhorse.v1.tasks", f"digest.{root}.*")
# That of a service, which others will be.
channel.queue_declare("packhorse.v1.owner.main", durable=True, arguments=WORK | {"x-single-active-consumer": True})
channel.queue_declare(own, exclusive=True, auto_delete=True, arguments=LIMITS)
channel.queue_bind(own, "packhorse.v1.outcomes", me)
channel.queue_bind(own, "packhorse.v1.dead", f"*.*.{me}")
print("its queues are there", file=sys.stderr, flush=True)

for number, path in enumerate(paths + [paths[0]]):
    items = [{"path": path, "size": 1}]
    algorithm = "sha1" if number < len(paths) else "md2"
    body = {"algorithm": algorithm, "files": {"links": "skip", "root": root, "items": items}}
    headers = {"schema": 1, "attempt": 1, "class": root, "owner": me, "store": store, "workload": "digest"}
    properties = pika.BasicProperties(
        message_id=f"before.{number}", correlation_id="before", type="task", content_type="application/json",
        app_id="before/1", timestamp=int(time.time()), delivery_mode=2, headers=headers)
    channel.basic_publish("packhorse.v1.tasks", f"digest.{root}.{me}", json.dumps(body), properties)

counted, hosts = {}, set()
for method, message, body in channel.consume(own):
    number = int(message.message_id.rsplit(".", 1)[1])
    if message.type == "outcome" and message.headers["store"] == store and message.headers["status"] == "done":
        counted.setdefault(number, json.loads(body)["digests"][0])
        hosts.add(message.headers["host"])
    elif message.type == "task":
        counted.setdefault(number, "refused: " + message.headers["reason"])
    channel.basic_ack(method.delivery_tag)
    if len(counted) > len(paths):
        break
for number, path in enumerate(paths):
    print(f"{counted[number]}  {root}/{path}")
print(counted[len(paths)], len(hosts), "hosts", file=sys.stderr)
