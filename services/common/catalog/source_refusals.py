# SPDX-License-Identifier: Apache-2.0
"""What of a further package source a row's package manager has no word for, or can't do without."""

from collections.abc import Iterator

from services.common.catalog.entries import OsEntry, Packages
from services.common.contracts.errors import Problem
from services.common.contracts.package_keys import OPENPGP_FIX, PEM_FIX, is_openpgp
from services.common.contracts.quoting import quoted
from services.common.contracts.vm import Repository, VmSpec

_LEAVE = "leave it out, or choose another os"


def source_problems(entry: OsEntry, spec: VmSpec) -> Iterator[Problem]:
    """A problem for each field of each source that this system can't have as it is."""
    if not entry.repositories:
        if spec.repositories and "repositories" not in entry.refuses:
            detail = f"{entry.display_name}: it has no words for further package sources"
            yield Problem("/repositories", detail, _LEAVE)
        return
    for n, one in enumerate(spec.repositories):
        at = f"/repositories/{n}"
        yield from _key_problems(entry, one, at)
        yield from _apt_problems(one, at) if entry.repositories == Packages.APT else _no_suite(entry, one, at)
    if entry.repositories == Packages.APK:
        yield from _shared_names(spec)


def _key_problems(entry: OsEntry, one: Repository, at: str) -> Iterator[Problem]:
    apk = entry.repositories == Packages.APK
    if is_openpgp(one.signed_by) == apk:
        kind = "an RSA public key in PEM" if apk else "an armoured OpenPGP public key"
        detail = f"{entry.display_name}: its package sources are signed by {kind}"
        yield Problem(f"{at}/signed_by", detail, PEM_FIX if apk else OPENPGP_FIX)
    if apk and not one.key_name:
        detail = f"{entry.display_name}: it finds a key by the name that signatures call it"
        yield Problem(f"{at}/key_name", detail, "the name of its file, as packages@example.org-5f0c.rsa.pub")
    if one.key_name and not apk:
        yield Problem(f"{at}/key_name", f"{entry.display_name}: its package sources' keys have no names", _LEAVE)


def _apt_problems(one: Repository, at: str) -> Iterator[Problem]:
    if not one.suite:
        yield Problem(f"{at}/suite", "a source of apt has a suite", 'like "stable", or a directory that ends with /')
    elif one.suite.endswith("/") == bool(one.components):
        detail = "a suite has components, and a directory has none"
        yield Problem(f"{at}/components", detail, 'like ["main"], or a suite that ends with / and no components')


def _no_suite(entry: OsEntry, one: Repository, at: str) -> Iterator[Problem]:
    for field in ("suite", "components"):
        if getattr(one, field):
            yield Problem(f"{at}/{field}", f"{entry.display_name}: its package sources have no {field}", _LEAVE)


def _shared_names(spec: VmSpec) -> Iterator[Problem]:
    """Two keys of one name would be one file."""
    keys: dict[str, str] = {}
    for n, one in enumerate(spec.repositories):
        if one.key_name and keys.setdefault(one.key_name, one.signed_by) != one.signed_by:
            detail = f"another source's key is called {quoted(one.key_name)}, too"
            yield Problem(f"/repositories/{n}/key_name", detail, "its own name, or the same key")
