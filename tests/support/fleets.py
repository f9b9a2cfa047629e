# SPDX-License-Identifier: Apache-2.0
"""Any request and any hosts, sane or not so sane, for tests of what holds for all of them."""

from functools import cache

from hypothesis import strategies as st

from services.common.contracts.placement import HostView
from tests.support.placing import CURVE, a_host, a_request

ZONES, DRIVERS, TRAITS, RACKS = ("", "a", "b"), ("fake", "libvirt"), ("gpu", "ssd", "nvme"), ("", "r1", "r2")
NAMES = [f"h{n}" for n in range(8)]
GROUPS = ("app=web", "app=db", "tier=prod")

any_request = st.builds(
    a_request,
    vcpus=st.integers(1, 40),
    memory_mib=st.sampled_from((64, 1024, 8192, 131072)),
    disk_gib=st.integers(1, 600),
    zone=st.sampled_from(ZONES),
    hypervisor=st.sampled_from(("", *DRIVERS)),
    host=st.sampled_from(("", "", "", "id-h1", "nowhere")),
    traits=st.lists(st.sampled_from(TRAITS), max_size=2, unique=True).map(tuple),
    needs=st.sampled_from(((), (), ("tpm-2.0",), ("tpm-2.0", "uefi"))),
    os=st.sampled_from(("", "debian-12", "windows-11")),
    labels=st.sampled_from(({}, {"app": "web"}, {"app": "db", "tier": "prod"}, {"tier": "dev"})),
    datastores=st.sampled_from(((), (), (), (("fast", 20),), (("fast", 5), ("nas", 30)))),
)


@cache  # to make a strategy takes longer than to draw from it
def host_named(name: str) -> st.SearchStrategy[HostView]:
    """Any host of that name."""
    return st.builds(
        a_host,
        st.just(name),
        driver=st.sampled_from(DRIVERS),
        state=st.sampled_from(("up", "up", "up", "down", "draining")),
        zone=st.sampled_from(ZONES),
        rack=st.sampled_from(RACKS),
        traits=st.lists(st.sampled_from(TRAITS), max_size=3, unique=True).map(tuple),
        capabilities=st.sampled_from(((), ("tpm-2.0",), ("tpm-2.0", "uefi"))),
        vcpus=st.sampled_from((0, 2, 16, 64)),
        memory_mib=st.sampled_from((512, 8192, 65536, 262144)),
        used_vcpus=st.integers(0, 20),
        used_memory_mib=st.integers(0, 8192),
        used_disk_gib=st.integers(0, 600),
        vms=st.integers(0, 3),
        cpu_percent=st.none() | st.floats(0, 100),
        cpu_p95_5m=st.none() | st.floats(0, 100),
        cpu_p95_1h=st.none() | st.floats(0, 100),
        watts=st.none() | st.floats(0, 1000),
        power_curve=st.sampled_from(((), CURVE, (10.0, 20.0))),
        heartbeat_age_s=st.none() | st.sampled_from((1.0, 29.0, 400.0)),
        failures=st.sampled_from((0.0, 0.3, 7.0)),
        failed=st.sampled_from(((), (0.1, 2.0, 5.0), (0.0, 0.7, 1.3))),
        price_kwh=st.none() | st.floats(0, 2),
        members=st.dictionaries(st.sampled_from(GROUPS), st.integers(1, 4), max_size=2),
        datastores=st.dictionaries(st.sampled_from(("fast", "nas")), st.integers(-5, 60), max_size=2),
    )


any_fleet = st.lists(st.sampled_from(NAMES), unique=True, max_size=8).flatmap(
    lambda names: st.tuples(*(host_named(name) for name in names))
)
