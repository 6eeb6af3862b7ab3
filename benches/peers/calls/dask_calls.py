"""Calls a function that returns its argument at two processes of Dask distributed.

python3 dask_calls.py CALLS CHUNK

With CHUNK 1 a call is a task of its own; above, a task is a list of so many calls.
"""

import sys
import time

from distributed import Client, LocalCluster


def echo(number):
    return number


def echo_each(numbers):
    return [echo(number) for number in numbers]


def run(client, numbers, chunk):
    """The sum of all results."""
    if chunk == 1:
        # batch_size says how many tasks go to the scheduler in one message.
        return sum(client.gather(client.map(echo, numbers, batch_size=1000)))
    lists = [numbers[start : start + chunk] for start in range(0, len(numbers), chunk)]
    return sum(map(sum, client.gather(client.map(echo_each, lists, batch_size=1000))))


if __name__ == "__main__":
    calls, chunk = int(sys.argv[1]), int(sys.argv[2])
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        # Both workers run before the clock starts. Dask keeps results by function and argument, so
        # these arguments do not come again.
        client.wait_for_workers(2)
        assert run(client, range(-100, 0), chunk) == sum(range(-100, 0))
        begun = time.perf_counter()
        total = run(client, range(calls), chunk)
        seconds = time.perf_counter() - begun
    assert total == sum(range(calls))
    print(f"{calls / seconds:.1f} calls per second")
