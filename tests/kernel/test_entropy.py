import subprocess
import sys
import threading

from remit.kernel.entropy import PAGE, random_bytes


def test_it_gives_as_many_as_asked_for_and_none_twice() -> None:
    sizes = [1, 8, 16, 32, PAGE // 4, PAGE // 4 + 1, PAGE * 2] * 50
    given = [random_bytes(size) for size in sizes]
    assert [len(each) for each in given] == sizes
    long = [each for each in given if len(each) >= 16]
    assert len(set(long)) == len(long)
    pieces = [random_bytes(16) for _ in range(5000)]
    assert len(set(pieces)) == len(pieces)


def test_threads_are_given_different_ones() -> None:
    found: list[bytes] = []

    def draw() -> None:
        found.extend(random_bytes(16) for _ in range(2000))

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(found) == 16_000


FORK = """
import os
from remit.kernel.entropy import random_bytes
random_bytes(8)
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, random_bytes(64))
    os._exit(0)
os.wait()
theirs, ours = os.read(read, 64), random_bytes(1024)
assert len(theirs) == 64 and theirs[:16] not in ours
"""


def test_a_forked_child_does_not_give_what_its_parent_gives() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True)
