"""Calls a function that returns its argument in 2 processes of multiprocessing.Pool.

python3 multiprocessing_calls.py CALLS CHUNK
"""

import multiprocessing
import sys
import time


def echo(number):
    return number


if __name__ == "__main__":
    calls, chunk = int(sys.argv[1]), int(sys.argv[2])
    with multiprocessing.Pool(2) as pool:
        # Both processes run before the clock starts.
        assert sum(pool.imap_unordered(echo, range(1000))) == sum(range(1000))
        begun = time.perf_counter()
        total = sum(pool.imap_unordered(echo, range(calls), chunksize=chunk))
        seconds = time.perf_counter() - begun
    assert total == sum(range(calls))
    print(f"{calls / seconds:.1f} calls per second")
