# SPDX-License-Identifier: Apache-2.0
"""Further package sources of a guest: the files its package manager reads, and the values of answer files. Pure."""

from collections.abc import Iterator
from typing import Any

from services.common.catalog import OsEntry
from services.common.catalog.entries import Packages
from services.common.contracts.errors import Problem
from services.common.contracts.guest_words import COMPONENT, KEY_NAME, REPOSITORY, SUITE, url_problem
from services.common.contracts.openpgp import fingerprints, key_id
from services.common.contracts.package_keys import OPENPGP_FIX, is_openpgp, key_problem
from services.common.contracts.quoting import quoted
from services.common.contracts.vm import Repository, VmSpec


def repository_files(entry: OsEntry, spec: VmSpec) -> Iterator[tuple[str, str]]:
    """(path, text), a file a source and one of its key; nothing without a signature's key is trusted."""
    for one in spec.repositories if entry.repositories != Packages.ANSWERS else ():
        key = _key_path(entry, one)
        yield _source(entry, one, key)
        yield key, one.signed_by


def repository_values(entry: OsEntry, spec: VmSpec) -> list[dict[str, Any]]:
    """What an answer file may say of each source, beside the files or in their place."""
    return [
        {
            "name": _name(one),
            "url": one.url,
            "words": _apt_words(one),
            "key": one.signed_by,
            "key_path": _key_path(entry, one),
            "fingerprints": list(marks := fingerprints(one.signed_by) if is_openpgp(one.signed_by) else ()),
            "key_ids": [key_id(mark) for mark in marks],
        }
        for one in spec.repositories
    ]


def _name(one: Repository) -> str:
    return f"innkeeper-{one.name}"


def _key_path(entry: OsEntry, one: Repository) -> str:
    if entry.repositories == Packages.APK:
        return f"/etc/apk/keys/{one.key_name}"
    folder = "/etc/apt/keyrings" if entry.repositories == Packages.APT else "/etc/pki/rpm-gpg"
    return f"{folder}/{_name(one)}.asc"


def _source(entry: OsEntry, one: Repository, key: str) -> tuple[str, str]:
    if entry.repositories == Packages.APT:
        return f"/etc/apt/sources.list.d/{_name(one)}.list", f"deb [signed-by={key}] {_apt_words(one)}\n"
    if entry.repositories == Packages.APK:
        return f"/etc/apk/repositories.d/{_name(one)}.list", f"{one.url}\n"
    if entry.repositories == Packages.ZYPP:
        return f"/etc/zypp/repos.d/{_name(one)}.repo", _section(one, key) + "autorefresh=1\n"
    return f"/etc/yum.repos.d/{_name(one)}.repo", _section(one, key)


def _apt_words(one: Repository) -> str:
    return " ".join([one.url, one.suite, *one.components])


def _section(one: Repository, key: str) -> str:
    head = (f"[{_name(one)}]", f"name={one.name}", f"baseurl={one.url}")
    return "".join(f"{line}\n" for line in (*head, "enabled=1", "gpgcheck=1", f"gpgkey=file://{key}"))


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
        if problem := key_problem(one.signed_by):
            yield Problem(f"{at}/signed_by", problem, OPENPGP_FIX)
        if one.suite and not SUITE.fullmatch(one.suite):
            yield Problem(f"{at}/suite", f"{quoted(one.suite)} is not a suite", 'like "stable"')
        if not all(COMPONENT.fullmatch(component) for component in one.components):
            yield Problem(f"{at}/components", "one of them is not a component's name", 'like "main"')
        if one.key_name and not KEY_NAME.fullmatch(one.key_name):
            yield Problem(f"{at}/key_name", f"{quoted(one.key_name)} is not a key's name of apk", "its file's name")
