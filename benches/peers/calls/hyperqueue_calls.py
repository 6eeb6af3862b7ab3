"""Calls a function that returns its argument at a HyperQueue server with 2 workers of 1 core.

python3 hyperqueue_calls.py CALLS CHUNK

HyperQueue starts a Python process for each task and drops what the function returns. So the
function prints, and the caller reads the files that the tasks have written.
"""

import sys
import tempfile
import time
from pathlib import Path

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
from hyperqueue.task.function import PythonEnv


def echo(number):
    return number


def echo_each(numbers):
    for number in numbers:
        print(echo(number))


def run(client, numbers, chunk):
    """The sum of all results."""
    with tempfile.TemporaryDirectory() as directory:
        job = Job(default_workdir=directory)
        for start in range(0, len(numbers), chunk):
            job.function(echo_each, args=(numbers[start : start + chunk],))
        client.wait_for_jobs([client.submit(job)])
        return sum(int(line) for file in Path(directory).glob("*.stdout") for line in file.open())


if __name__ == "__main__":
    calls, chunk = int(sys.argv[1]), int(sys.argv[2])
    with LocalCluster() as cluster:
        for _ in range(2):
            cluster.start_worker(WorkerConfig(cores=1))
        client = cluster.client(python_env=PythonEnv(python_bin=sys.executable))
        # Both workers run before the clock starts.
        assert run(client, range(4), 2) == sum(range(4))
        begun = time.perf_counter()
        total = run(client, range(calls), chunk)
        seconds = time.perf_counter() - begun
    assert total == sum(range(calls))
    print(f"{calls / seconds:.1f} calls per second")
