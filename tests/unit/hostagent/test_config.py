# SPDX-License-Identifier: Apache-2.0
"""A wrong configuration is refused whole, and says what is wrong where."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.hostagent.config import ConfigError, read_config
from services.hostagent.drivers.datastore_settings import Store, read_stores

GOOD: dict[str, Any] = {
    "host_id": "host-1",
    "platform": "p",
    "driver": "fake",
    "broker_url": "amqp://host:secret@127.0.0.1/",
    "command_public_key": "-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n",
    "directory": "/srv/agent",
}


def read(path: Path, **changes: Any) -> Any:
    data = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    (path / "agent.yaml").write_text(yaml.safe_dump(data))
    return read_config({"INNKEEPER_AGENT_CONFIG": str(path / "agent.yaml")})


def test_the_least_that_works(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert (config.driver, config.accelerator, config.libvirt_uri) == ("fake", "auto", "qemu:///system")
    assert len(config.power_curve) == 11


def test_the_password_is_not_printed(tmp_path: Path) -> None:
    assert "secret" not in repr(read(tmp_path))


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    more = {
        "zone": "a",
        "capacity": {"vcpus": 8, "memory_mib": 1024, "disk_gib": 10},
        "power_curve": list(range(11)),
        "metrics_port": 9100,
        "fake": {"boot_s": 0.5, "faults": ["never-boots"]},
    }
    config = read(tmp_path, **more, datastores={"fast": {"size_gib": 20}})
    assert config.capacity.vcpus == 8
    assert read_stores(config.datastores, config.driver) == (Store("fast", "", 20),)
    assert config.power_curve[10] == 10.0


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"host_id": None}, "host_id: missing"),
        ({"host_id": "../x"}, "host_id"),
        ({"driver": "xen"}, "driver: 'xen' is unknown; known are fake, libvirt"),
        ({"colour": "red"}, "colour: unknown key"),
        ({"masters_keep_h": -1}, "masters_keep_h: -1 is no number of hours"),
        ({"directory": "here"}, "directory: 'here' is not absolute"),
        ({"directory": "/" + "x" * 100}, "too long"),
        ({"accelerator": "turbo"}, "accelerator"),
        ({"power_curve": [1, 2]}, "power_curve"),
        ({"capacity": {"vcpus": 0}}, "capacity.vcpus"),
        ({"capacity": {"cores": 1}}, "capacity.cores"),
        ({"metrics_port": 70000}, "metrics_port"),
        ({"command_public_key": "ssh-rsa"}, "command_public_key"),
        ({"fake": {"faults": ["sleeps"]}}, "fake.faults"),
        ({"fake": {"boot_s": -1}}, "fake.boot_s"),
        ({"driver": "libvirt", "fake": {}}, "fake"),
        ({"datastores": ["fast"]}, "datastores: give a mapping"),
        ({"datastores": {"../x": {"size_gib": 1}}}, "datastores: '../x' is no name"),
        ({"datastores": {"fast": {}}}, "datastores.fast.size_gib: None is no number of GiB"),
        ({"datastores": {"fast": {"size_gib": 1, "kind": "tape"}}}, "datastores.fast.kind: 'tape' is none of"),
        ({"driver": "libvirt", "datastores": {"fast": {"datastore": "x"}}}, "datastores.fast.datastore: unknown key"),
        ({"driver": "libvirt", "datastores": {"fast": {"size_gib": 1}}}, "datastores.fast.pool: missing"),
        ({"driver": "libvirt", "datastores": {"a": {"pool": "x"}, "b": {"pool": "x"}}}, "'x' stands under two names"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=r"agent\.yaml") as caught:
        read(tmp_path, **changes)
    assert says in str(caught.value)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, driver="xen", accelerator="turbo", metrics_port=-1)
    assert len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("text", ["[1, 2", "- a\n", ""])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "agent.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"agent\.yaml"):
        read_config({"INNKEEPER_AGENT_CONFIG": str(tmp_path / "agent.yaml")})


def test_the_process_ends_with_2_and_says_why() -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("INNKEEPER_")}
    done = subprocess.run([sys.executable, "-m", "services.hostagent"], env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert "INNKEEPER_AGENT_CONFIG is not set" in done.stderr
