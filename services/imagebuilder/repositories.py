# SPDX-License-Identifier: Apache-2.0
"""Further package sources of a guest, as its package manager reads them: a file a source, and one of its key. Pure."""

from collections.abc import Iterator

from services.common.catalog import OsEntry
from services.common.catalog.entries import Packages
from services.common.contracts.errors import Problem
from services.common.contracts.guest_words import (
    COMPONENT,
    KEY_MOST,
    PUBLIC_KEY,
    REPOSITORY,
    SUITE,
    url_problem,
)
from services.common.contracts.quoting import quoted
from services.common.contracts.vm import Repository, VmSpec


def repository_files(entry: OsEntry, spec: VmSpec) -> Iterator[tuple[str, str]]:
    """(path, text); nothing without a signature's key is trusted."""
    for one in spec.repositories:
        name = f"innkeeper-{one.name}"
        if entry.repositories == Packages.APT:
            key = f"/etc/apt/keyrings/{name}.asc"
            words = " ".join([one.url, one.suite, *one.components])
            yield f"/etc/apt/sources.list.d/{name}.list", f"deb [signed-by={key}] {words}\n"
        else:
            key = f"/etc/pki/rpm-gpg/{name}.asc"
            yield f"/etc/yum.repos.d/{name}.repo", _section(name, one, key)
        yield key, one.signed_by


def _section(name: str, one: Repository, key: str) -> str:
    lines = (f"[{name}]", f"name={one.name}", f"baseurl={one.url}", "enabled=1", "gpgcheck=1", f"gpgkey=file://{key}")
    return "".join(f"{line}\n" for line in lines)


def repository_problems(spec: VmSpec) -> Iterator[Problem]:
    """Words that no file of sources could hold as they are."""
    seen: set[str] = set()
    for n, one in enumerate(spec.repositories):
        at = f"/repositories/{n}"
        if not REPOSITORY.fullmatch(one.name) or one.name in seen:
            detail = f"{quoted(one.name)} is no name of its own for a source"
            yield Problem(f"{at}/name", detail, "1 to 32 of a-z, 0-9 and -, each source another one")
        seen.add(one.name)
        if problem := url_problem(one.url):
            yield Problem(f"{at}/url", f"this one {problem}", "correct it")
        if len(one.signed_by) > KEY_MOST or not PUBLIC_KEY.fullmatch(one.signed_by):
            yield Problem(f"{at}/signed_by", "not an armoured OpenPGP public key", "as gpg --armor --export writes it")
        if one.suite and not SUITE.fullmatch(one.suite):
            yield Problem(f"{at}/suite", f"{quoted(one.suite)} is not a suite", 'like "stable"')
        if not all(COMPONENT.fullmatch(component) for component in one.components):
            yield Problem(f"{at}/components", "one of them is not a component's name", 'like "main"')
