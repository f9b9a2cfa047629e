# SPDX-License-Identifier: Apache-2.0
"""HYPERVISORS: what may stand there, and what of it is remembered."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import bootstrap, hypervisors
from deploy.local.home import CHECKOUT
from deploy.local.setup import apt
from deploy.local.setup.failure import Failure
from deploy.local.setup.packages import SIMULATOR, STACK


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", ()),
        (" , ", ()),
        ("libvirt", ("libvirt",)),
        ("vsphere, libvirt,vsphere", ("libvirt", "vsphere")),
    ],
)
def test_each_kind_counts_once_in_one_order(text: str, kinds: tuple[str, ...]) -> None:
    assert hypervisors.asked(text) == kinds


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("libvirt,hyper-v,xen", "HYPERVISORS: 'hyper-v', 'xen' is unknown; known are libvirt, vsphere"),
        ("vsphere", "always has libvirt; say HYPERVISORS=libvirt,vsphere"),
    ],
)
def test_what_cannot_be_had_is_refused_with_what_can(text: str, sentence: str) -> None:
    with pytest.raises(hypervisors.WrongHypervisors, match=sentence):
        hypervisors.asked(text)


def test_the_bootstrap_refuses_it_before_anything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERVISORS", "xen")
    with pytest.raises(Failure, match="known are libvirt, vsphere") as caught:
        bootstrap.run(CHECKOUT, test=False)
    assert caught.value.code == 2


def test_go_is_installed_for_the_simulator_alone() -> None:
    assert apt.wanted(test=False) == STACK
    assert apt.wanted(test=False, vsphere=True) == [*STACK, *SIMULATOR]
    assert set(SIMULATOR) < set(apt.wanted(test=True))


def test_a_kind_that_was_there_before_stays(tmp_path: Path) -> None:
    file = tmp_path / "hypervisors.json"
    assert hypervisors.choose(file, "") == ("libvirt",)
    assert not file.exists(), "a stack that never heard of another kind remembers nothing"
    assert hypervisors.choose(file, "libvirt,vsphere") == ("libvirt", "vsphere")
    assert hypervisors.choose(file, "libvirt") == hypervisors.chosen(file) == ("libvirt", "vsphere")


def test_make_demo_says_what_is_wrong_without_a_traceback(tmp_path: Path) -> None:
    env = {"PATH": "", "HYPERVISORS": "xen", "INNKEEPER_HOME": str(tmp_path), "PYTHONPATH": str(CHECKOUT)}
    command = [sys.executable, "-m", "deploy.local", "up"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("innkeeper: HYPERVISORS: 'xen' is unknown")
