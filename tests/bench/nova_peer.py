# SPDX-License-Identifier: Apache-2.0
"""Nova's own filters and weighers in process, without database or RPC; runs in an environment where Nova is.

Arguments: how many candidates (Placement hands the scheduler 1,000 at most), and for how many seconds. Prints
decisions a second. Each step one vm arrives and one leaves, as in the streams of the other engines.
"""

import random
import sys
import time
import uuid

from nova import config, objects
from nova.scheduler import filters, host_manager, weights

FLAVORS = ((1, 1024), (1, 2048), (2, 2048), (2, 4096), (4, 4096), (4, 8192), (8, 8192), (8, 16384), (16, 32768))


def candidates(count, rng):
    """Hosts about 70 % full."""
    found = []
    for n in range(count):
        host = host_manager.HostState(f"h{n}", f"h{n}", str(uuid.uuid4()))
        host.total_usable_ram_mb, host.free_ram_mb = 262144, rng.randrange(40_000, 120_000)
        host.total_usable_disk_gb, host.free_disk_mb, host.disk_mb_used = 4000, 2_000_000, 2_000_000
        host.vcpus_total, host.vcpus_used = 64, rng.randrange(20, 50)
        host.cpu_allocation_ratio, host.ram_allocation_ratio, host.disk_allocation_ratio = 8.0, 1.0, 1.5
        host.hypervisor_type, host.hypervisor_version, host.num_io_ops = "QEMU", 8_000_000, 0
        host.num_instances, host.failed_builds = rng.randrange(5, 20), 0
        host.supported_instances, host.aggregates, host.instances = [["x86_64", "kvm", "hvm"]], [], {}
        host.metrics = objects.MonitorMetricList(objects=[])
        host.service = {"disabled": False, "host": f"h{n}", "topic": "compute", "updated_at": None, "created_at": None}
        found.append(host)
    return found


def request(vcpus, memory):
    """What the scheduler is asked."""
    flavor = objects.Flavor(vcpus=vcpus, memory_mb=memory, root_gb=20, ephemeral_gb=0, swap=0, extra_specs={})
    image = objects.ImageMeta(properties=objects.ImageMetaProps())
    return objects.RequestSpec(
        flavor=flavor,
        image=image,
        project_id="p",
        num_instances=1,
        instance_group=None,
        scheduler_hints={},
        instance_uuid=str(uuid.uuid4()),
        availability_zone=None,
        requested_destination=None,
        pci_requests=None,
        numa_topology=None,
        ignore_hosts=None,
        force_hosts=None,
        force_nodes=None,
        is_bfv=False,
    )


def main(count, seconds):
    config.parse_args(["nova"], default_config_files=[])
    objects.register_all()
    rng = random.Random(1)
    hosts = candidates(count, rng)
    by_name = {cls.__name__: cls for cls in filters.HostFilterHandler().get_all_classes()}
    handler = filters.HostFilterHandler()
    chosen = [by_name[name]() for name in config.CONF.filter_scheduler.enabled_filters]
    for rule in chosen:
        if hasattr(rule, "servicegroup_api"):
            rule.servicegroup_api.service_is_up = lambda service: True  # a dictionary here: no database is read
    weighing = weights.HostWeightHandler()
    weighers = [cls() for cls in weighing.get_matching_classes(config.CONF.filter_scheduler.weight_classes)]
    placed, done, until = [], 0, time.thread_time() + seconds
    begun = time.thread_time()
    while time.thread_time() < until:
        spec = request(*rng.choice(FLAVORS))
        left = handler.get_filtered_objects(chosen, hosts, spec)
        best = weighing.get_weighed_objects(weighers, left, spec)[0].obj
        for host, flavor, sign in ((best, spec.flavor, 1), *([(*placed.pop(0), -1)] if len(placed) > 20 else [])):
            host.vcpus_used += sign * flavor.vcpus
            host.free_ram_mb -= sign * flavor.memory_mb
            host.num_instances += sign
        placed.append((best, spec.flavor))
        done += 1
    print(f"{done / (time.thread_time() - begun):.3f} {len(chosen)} filters, {len(weighers)} weighers")


main(int(sys.argv[1]), float(sys.argv[2]))
