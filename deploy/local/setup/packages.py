# SPDX-License-Identifier: Apache-2.0
"""The system packages the stack stands on, each with its reason."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """Names are alternatives across releases, the best first; an optional one may be unknown to a release."""

    names: tuple[str, ...]
    why: str
    optional: bool = False


STACK = [
    Package(("rabbitmq-server",), "the message broker"),
    Package(("redis-server", "valkey-server"), "progress events and locks"),
    Package(("libvirt-daemon-system",), "runs virtual machines"),
    Package(("libvirt-daemon-driver-qemu",), "libvirt's QEMU driver"),
    Package(("libvirt-daemon-driver-network",), "libvirt's networks, where a release packs them apart", optional=True),
    Package(("libvirt-daemon-log",), "libvirt's log daemon, where a release packs it apart", optional=True),
    Package(("libvirt-clients",), "virsh"),
    Package(("libvirt-dev",), "to build libvirt's Python binding"),
    Package(("qemu-system-x86",), "the hypervisor"),
    Package(("qemu-utils",), "disk images"),
    Package(("mmdebstrap",), "builds the Debian guest"),
    Package(("debian-archive-keyring",), "checks what the Debian guest is built of"),
    Package(("uidmap",), "builds the Debian guest without root"),
    Package(("pkg-config", "pkgconf"), "to build libvirt's Python binding"),
    Package(("python3-dev",), "to build libvirt's Python binding"),
    Package(("gcc",), "to build libvirt's Python binding"),
    Package(("libc6-dev",), "to build libvirt's Python binding"),
    Package(("busybox-static",), "the mini guest"),
    Package(("dnsmasq-base",), "addresses on the guests' NAT network"),
    Package(("iptables",), "the guests' NAT network"),
    Package(("iproute2",), "network interfaces"),
    Package(("e2fsprogs",), "file systems in images, without loop devices"),
    Package(("grub-pc-bin",), "a boot loader in images"),
    Package(("grub-efi-amd64-bin",), "a boot loader in images, by UEFI"),
    Package(("mtools",), "FAT file systems in images, without loop devices"),
    Package(("squashfs-tools",), "disks in installation media"),
    Package(("ovmf",), "UEFI for guests"),
    Package(("swtpm",), "a TPM for guests that insist on one"),
    Package(("swtpm-tools",), "to make that TPM"),
    Package(("python3-venv",), "the virtual environment"),
    Package(("zstd",), "compressed images"),
    Package(("cpio",), "initial RAM disks"),
    Package(("xorriso",), "slots in installation media, made once per medium"),
    Package(("kmod",), "kernel modules of guests"),
    Package(("ca-certificates",), "to check downloads"),
]

SIMULATOR = [
    Package(("golang-go",), "builds the vCenter simulator"),
    Package(("golang-github-vmware-govmomi-dev",), "a vCenter simulator as a library"),
]

TESTS = [
    Package(("postgresql",), "the production database; no cluster of the machine's own is made"),
    Package(("git",), "the tests of the house itself"),
    Package(("ignition",), "ignition-validate, which judges what Flatcar and Fedora CoreOS are given"),
    Package(("genisoimage",), "media with a UDF file system, as Windows's are"),
    Package(("ipmitool",), "hosts' controllers by IPMI; hosts and workers that use these need it, too"),
    Package(("openipmi",), "ipmi_sim, a controller for the tests of IPMI"),
    Package(("openvswitch-switch",), "a switch with VLANs; hosts of networks with a tag need it, too"),
    Package(("prometheus",), "promtool, which judges rules and dashboards and plays alerts through"),
    Package(("libxml2-utils",), "xmllint, by which virt-xml-validate judges definitions of vms"),
    Package(("npm", "nodejs"), "judges objects of KEDA, the Prometheus operator and Grafana by their schemas"),
    Package(("docker.io",), "builds and runs the container images, by a daemon of the tests' own"),
    Package(("containerd",), "containers"),
    Package(("runc",), "containers"),
    Package(("docker-compose", "docker-compose-v2"), "the whole platform in containers"),
]
