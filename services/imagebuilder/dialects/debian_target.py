# SPDX-License-Identifier: Apache-2.0
"""The network of an installed Debian, as a shell script that writes its files; run in the target by debian-installer.

- /etc/network/interfaces (ifupdown.py);
- a systemd .link file for each card, which names it by its permanent MAC (systemd.link(5)); bonds and VLANs have none,
  so they are never mistaken for a card. The initial RAM disk has a copy of these files: it must be made again after;
- /etc/resolv.conf, when name servers are given: netcfg's own is of the installer's one card;
- for links whose DHCP must not give a default route, what tells isc-dhcp-client (Debian 11, 12) and dhcpcd (13) so.

Names like eth0 are given where the kernel counts the same way, that is as long as cards are plugged in in the order of
the request: udev can't swap two names of the kernel's own kind. Own names (lan0) are always safe.
"""

from collections.abc import Iterator

from services.common.contracts.network import NetworkModel
from services.imagebuilder.dialects import ifupdown, words


def render(model: NetworkModel, hostname: str) -> bytes:
    """The commands; every word in them is spelt again from a parsed value, so the here-documents hold."""
    files = {"/etc/network/interfaces": ifupdown.render(model, hostname).decode(), **dict(_others(model))}
    written = "".join(
        f"mkdir -p {path.rpartition('/')[0]}\nrm -f {path}\ncat >{path} <<'END'\n{text}END\n"
        for path, text in files.items()
    )
    return (written + _dhcpcd(_without_default_route(model))).encode("ascii")


def _others(model: NetworkModel) -> Iterator[tuple[str, str]]:
    for nic in model.nics:
        name = model.nic_name(nic)
        text = f"[Match]\nPermanentMACAddress={words.mac(nic)}\n\n[Link]\nName={name}\n"
        yield f"/etc/systemd/network/10-innkeeper-{name}.link", text
    servers = [words.address(server) for _, _, link in model.links() for server in link.dns]
    domains = [domain for _, _, link in model.links() for domain in link.search]
    if servers or domains:
        lines = [f"nameserver {server}\n" for server in dict.fromkeys(servers)]
        search = [f"search {' '.join(dict.fromkeys(domains))}\n"] if domains else []
        yield "/etc/resolv.conf", "".join([*search, *lines])
    if quiet := _without_default_route(model):
        cases = "".join(f"{name}) unset new_routers new_rfc3442_classless_static_routes ;;\n" for name in quiet)
        yield "/etc/dhcp/dhclient-enter-hooks.d/innkeeper", f'case "$interface" in\n{cases}esac\n'


def _dhcpcd(quiet: list[str]) -> str:
    """Added to the package's own file, where it is installed: that one asks for name servers."""
    if not quiet:
        return ""
    blocks = "".join(f"interface {name}\nnogateway\n" for name in quiet)
    return f"[ ! -e /etc/dhcpcd.conf ] || cat >>/etc/dhcpcd.conf <<'END'\n{blocks}END\n"


def _without_default_route(model: NetworkModel) -> list[str]:
    return [name for _, name, link in model.links() if link.dhcp4 and not link.default_route]
