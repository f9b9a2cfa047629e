# SPDX-License-Identifier: Apache-2.0
"""How tests build images: a build that fails says first why, and a dockerd's bridge meets no other."""

import os
import re
from ipaddress import IPv4Network
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.containers.base import DOCKERFILE
from tests.support.containers.bridge import NETWORKS, abandoned, free
from tests.support.containers.dockerd import said
from tests.support.containers.failed_steps import failed_steps

PROGRESS = """#10 [tools 2/6] RUN apt-get install binutils
#10 sha256:0c7f
#10 24.39 Get:3 http://deb.example.com bookworm/main amd64 python3-lib2to3

#18 [packages-runtime 1/1] RUN python3 -m deploy.images.install base runtime
#18 sha256:3531
#18 3.211 ERROR: HTTP error 429 while getting a wheel

#10 25.36 (Reading database ... \r(Reading database ... 5%
#10 DONE 43.4s

#18 3.340 attempt 4 of 4 ended with exit code 1; that was the last
#18 ERROR: executor failed running [/bin/sh -c python3 -m deploy.images.install base runtime]: exit code: 1

#14 [packages-api 1/1] RUN python3 -m deploy.images.install api
#14 CANCELED
------
 > [packages-runtime 1/1] RUN python3 -m deploy.images.install base runtime:
------
executor failed running [/bin/sh -c python3 -m deploy.images.install base runtime]: exit code: 1
"""


def test_a_build_that_fails_says_first_what_the_failed_step_said() -> None:
    assert failed_steps(PROGRESS).splitlines() == [
        "#18 [packages-runtime 1/1] RUN python3 -m deploy.images.install base runtime",
        "#18 sha256:3531",
        "#18 3.211 ERROR: HTTP error 429 while getting a wheel",
        "#18 3.340 attempt 4 of 4 ended with exit code 1; that was the last",
        "#18 ERROR: executor failed running [/bin/sh -c python3 -m deploy.images.install base runtime]: exit code: 1",
    ]
    assert failed_steps(PROGRESS.replace("ERROR", "WARNING")) == ""


def test_it_is_said_however_much_the_steps_beside_it_say() -> None:
    other = "#10 1.0 Unpacking\n" * 1000
    with pytest.raises(AssertionError, match=r"exit 1\nwhat failed:\n#18 (?s:.*) 429 while") as caught:
        said(["build"], CompletedProcess([], 1, "", PROGRESS.replace("#14 [", f"{other}\n#14 [")))
    assert len(str(caught.value)) < 11_000
    assert said(["build"], CompletedProcess([], 0, "image\n", PROGRESS)) == "image"


def test_a_bridge_has_a_network_that_is_nobody_else_s() -> None:
    there = "1: lo    inet 127.0.0.1/8 scope host lo\n2: ik-d1    inet 172.31.64.1/24 scope global ik-d1\n"
    assert free(there) == IPv4Network("172.31.65.0/24")
    assert free("3: eth1    inet 172.31.70.9/20 brd 172.31.79.255\n") == IPv4Network("172.31.80.0/24")
    assert free("") == NETWORKS[0]


def test_a_bridge_is_abandoned_where_its_process_is_gone() -> None:
    gone = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
    text = f"-A FORWARD -i ik-d{gone:x} -j ACCEPT\n-A FORWARD -i ik-d{os.getpid():x} ! -o docker0 -j ACCEPT\n"
    assert abandoned(text) == {f"ik-d{gone:x}"}


def test_whatever_asks_a_network_is_patient_and_keeps_what_it_got() -> None:
    runs = re.findall(r"^RUN (?:.*\\\n)*.*", DOCKERFILE.read_text(), re.MULTILINE)
    apt = [run for run in runs if "apt-get update" in run]
    pip = [run for run in runs if "deploy.images.install" in run]
    assert len(apt) >= 5
    assert all("target=/var/lib/apt/lists,sharing=locked" in run for run in apt)
    assert len(pip) >= 8
    assert [run for run in pip if "target=/var/cache/pip" not in run and "--build" not in run] == []
    assert [run for run in runs if re.search(r"\bpip3? install\b", run)] == [], "all by deploy.images.patience"
