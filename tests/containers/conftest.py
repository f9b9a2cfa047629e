# SPDX-License-Identifier: Apache-2.0
"""One dockerd for the module of tests of containers; its images are built once, all of them, side by side."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.local.servers.libvirtd import Libvirtd
from tests.support.containers.base import DOCKERFILE, ROOT, TARGETS, base_name, import_base
from tests.support.containers.dockerd import CannotStart, Dockerd
from tests.support.containers.libvirt_host import LibvirtHost
from tests.support.containers.prometheus import Prometheus
from tests.support.containers.stack import ComposeStack
from tests.support.hypervisor import private_libvirtd
from tests.support.scratch import short_directory

STANDINS = ("postgres", "rabbitmq", "redis", "prometheus")
_STANDINS = Path(__file__).parent / "standins"
TAG = "test"


@pytest.fixture(scope="module")
def dockerd() -> Iterator[Dockerd]:
    with short_directory() as directory:
        found = Dockerd(directory)
        try:
            try:
                found.start()
            except CannotStart as reason:
                # No test of containers can be had here, in CI neither: it is the kernel that says no.
                pytest.skip(f"CONTAINERS NOT TESTED: dockerd cannot start on this machine: {reason}")
            yield found
        finally:
            found.stop()


@pytest.fixture(scope="module")
def images(dockerd: Dockerd) -> dict[str, str]:
    """Target -> image; all are built before the first is asked of."""
    import_base(dockerd)
    commands = [
        ["--target", target, "-t", f"innkeeper-{target}:{TAG}", "-f", str(DOCKERFILE), str(ROOT)] for target in TARGETS
    ]
    named = ComposeStack.images()
    base = f"PYTHON_IMAGE={base_name()}"
    commands += [["--build-arg", base, "--target", s, "-t", named[s], str(_STANDINS)] for s in STANDINS]
    # By the machine's own network: what a build fetches needs no bridge, no address translation.
    build = ("build", "-q", "--network=host")
    with ThreadPoolExecutor(len(commands)) as pool:
        list(pool.map(lambda words: dockerd.docker(*build, *words), commands))
    return {target: f"innkeeper-{target}:{TAG}" for target in TARGETS}


@pytest.fixture(scope="module")
def stack(dockerd: Dockerd, images: dict[str, str]) -> Iterator[ComposeStack]:
    """Everything of deploy/compose.yaml but Grafana, with a fake host that is up."""
    found = ComposeStack(dockerd, TAG)
    try:
        yield found.start()
    finally:
        found.stop()


@pytest.fixture(scope="module")
def prometheus(stack: ComposeStack) -> Iterator[Prometheus]:
    """That of the stack, in which a vm is made to be seen; Debian's stands in for the image."""
    job = stack.finish(stack.create("watched")["id"])
    assert job["state"] == "succeeded", job
    found = Prometheus(stack.ports["INNKEEPER_PUBLISH_PROMETHEUS"])
    yield found
    found.close()


@pytest.fixture(scope="module")
def libvirtd() -> Iterator[Libvirtd]:
    """As Debian has it: guests are a user of their own, who is given their files."""
    with private_libvirtd(qemu="libvirt-qemu") as server:
        yield server


@pytest.fixture(scope="module")
def libvirt_host(stack: ComposeStack, libvirtd: Libvirtd) -> Iterator[LibvirtHost]:
    """The stack's second host: the profile `libvirt`."""
    with short_directory() as directory:
        directory.chmod(0o711)  # QEMU passes through
        found = LibvirtHost(stack, libvirtd, directory)
        try:
            yield found.start()
        finally:
            found.stop()
