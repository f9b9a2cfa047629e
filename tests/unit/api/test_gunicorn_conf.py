# SPDX-License-Identifier: Apache-2.0
"""What gunicorn is told to do around the start of a worker."""

import subprocess
import sys

_START = """
import gc, runpy
conf = runpy.run_path("services/api/gunicorn.conf.py")
conf["post_fork"](None, None)
print(gc.isenabled())
there = [object]
there.append(there)
conf["post_worker_init"](None)
print(gc.isenabled(), any(one is there for one in gc.get_objects()), gc.get_freeze_count() > 1000)
"""


def test_the_garbage_collector_rests_while_a_worker_starts_and_leaves_alone_what_is_there_then() -> None:
    done = subprocess.run([sys.executable, "-c", _START], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "True False True"]
