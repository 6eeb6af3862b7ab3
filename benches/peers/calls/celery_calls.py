"""Calls a task that returns its argument at two Celery workers. AMQP_URL is the broker.

celery -A celery_calls worker --concurrency 1 --hostname NAME@%h       two of them
python3 celery_calls.py CALLS CHUNK

With CHUNK 1 a call is a task of its own; above, the calls travel in chunks of so many.
"""

import os
import sys
import time

from celery import Celery, group

app = Celery("celery_calls", broker=os.environ["AMQP_URL"], backend="rpc://")
app.conf.task_acks_late = True
# What Celery's page on optimizing says of many short tasks: a large prefetch (it names 64 and 128),
# and messages that the broker does not write to its disk.
app.conf.worker_prefetch_multiplier = 128
app.conf.task_default_delivery_mode = "transient"


@app.task
def echo(number):
    return number


def run(numbers, chunk):
    """The sum of all results."""
    if chunk == 1:
        return sum(group(echo.s(number) for number in numbers)().get())
    chunks = echo.chunks(((number,) for number in numbers), chunk).group()
    return sum(map(sum, chunks().get()))


if __name__ == "__main__":
    calls, chunk = int(sys.argv[1]), int(sys.argv[2])
    # Both workers run before the clock starts.
    while len(app.control.ping(timeout=1.0, limit=2)) < 2:
        pass
    assert run(range(100), chunk) == sum(range(100))
    begun = time.perf_counter()
    total = run(range(calls), chunk)
    seconds = time.perf_counter() - begun
    assert total == sum(range(calls))
    print(f"{calls / seconds:.1f} calls per second")
