# SPDX-License-Identifier: Apache-2.0
"""Which kinds of hypervisors the local stack has: HYPERVISORS of the one who calls, or what was chosen before.

Standard library only: the bootstrap asks, too.
"""

from __future__ import annotations

from pathlib import Path

from deploy.local.files import read_json, write_json

VARIABLE = "HYPERVISORS"
LIBVIRT, VSPHERE = "libvirt", "vsphere"
KNOWN = (LIBVIRT, VSPHERE)


class WrongHypervisors(ValueError):
    """HYPERVISORS says what can't be had; the text says why, and what can."""


def asked(text: str) -> tuple[str, ...]:
    """The kinds in a list like `libvirt,vsphere`, each once, in our order; () where nothing is asked."""
    words = {word.strip() for word in text.split(",")} - {""}
    unknown = sorted(words - set(KNOWN))
    if unknown:
        raise WrongHypervisors(
            f"{VARIABLE}: {', '.join(map(repr, unknown))} is unknown; known are {', '.join(KNOWN)}, "
            f"as in {VARIABLE}={','.join(KNOWN)}"
        )
    if words and LIBVIRT not in words:
        raise WrongHypervisors(f"{VARIABLE}: the local stack always has libvirt; say {VARIABLE}={','.join(KNOWN)}")
    return tuple(kind for kind in KNOWN if kind in words)


def chosen(file: Path) -> tuple[str, ...]:
    """What the last start chose."""
    return tuple(read_json(file, [LIBVIRT]))


def choose(file: Path, text: str) -> tuple[str, ...]:
    """For a start: what is asked beside what was there before, so that no host of an earlier start is forgotten."""
    before = chosen(file)
    now = tuple(kind for kind in KNOWN if kind in {*before, *asked(text)})
    if now != before:
        write_json(file, now)
    return now
