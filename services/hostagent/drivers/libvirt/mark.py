# SPDX-License-Identifier: Apache-2.0
"""The owner mark: an element of our own namespace in the <metadata> of everything we define."""

from lxml import etree

from services.hostagent.drivers.base import Owner

NAMESPACE = "https://innkeeper.dev/ns/libvirt/1"
PREFIX = "innkeeper"


def vm_mark(owner: Owner) -> etree._Element:
    """The mark of a vm."""
    return _fill(etree.Element(f"{{{NAMESPACE}}}vm", nsmap={PREFIX: NAMESPACE}), owner)


def bare_vm_mark(owner: Owner) -> str:
    """The mark for setMetadata, which adds the namespace itself and fails on one that is there."""
    return etree.tostring(_fill(etree.Element("vm"), owner), encoding="unicode")


def network_mark(platform: str, digest: str, network: str = "") -> etree._Element:
    """The mark of a network; `digest` says which definition it was made from, `network` is its id."""
    mark = etree.Element(f"{{{NAMESPACE}}}network", nsmap={PREFIX: NAMESPACE})
    mark.set("platform", platform)
    mark.set("digest", digest)
    mark.set("id", network)
    return mark


def read_vm_mark(xml: str) -> Owner | None:
    """Whose vm it is, from a mark alone or from a whole definition; None when it carries no mark of ours."""
    mark = _find(xml, "vm")
    if mark is None:
        return None
    fence = mark.get("fence", "")
    if not fence.isdigit():
        return None
    return Owner(mark.get("platform", ""), mark.get("id", ""), int(fence))


def read_network_mark(xml: str) -> tuple[str, str] | None:
    """The platform and the digest of a network's definition; None when it carries no mark of ours."""
    mark = _find(xml, "network")
    return None if mark is None else (mark.get("platform", ""), mark.get("digest", ""))


def read_network_id(xml: str) -> str:
    """Which network of ours a definition is; "" where its mark doesn't say."""
    mark = _find(xml, "network")
    return "" if mark is None else mark.get("id", "")


def _fill(mark: etree._Element, owner: Owner) -> etree._Element:
    mark.set("platform", owner.platform)
    mark.set("id", owner.vm)
    mark.set("fence", str(owner.fence))
    return mark


def _find(xml: str, name: str) -> etree._Element | None:
    # libvirt hands out the bare element without its prefix when asked for one namespace only.
    root = etree.fromstring(xml.encode())
    tag = f"{{{NAMESPACE}}}{name}"
    return root if root.tag in (tag, name) and root.get("platform") else root.find(f".//{tag}")
