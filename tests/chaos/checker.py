# SPDX-License-Identifier: Apache-2.0
"""Counts what is there by its own reading: virsh or the fake hosts' state files, the disks, and the tables."""

import json
import re
import sqlite3
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from deploy.local.servers.libvirtd import Libvirtd
from tests.support.stack import Stack

MARK = re.compile(r"<(?:\w+:)?vm[^>]*?(?:>([0-9a-f-]{36})<|id=['\"]([0-9a-f-]{36})['\"])")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass
class Verdict:
    """What is wrong; all empty is what must be."""

    lost: list[str] = field(default_factory=list)  # asked for, and neither ready nor rolled back
    duplicates: list[str] = field(default_factory=list)  # there twice
    orphans: list[str] = field(default_factory=list)  # there, and nobody owns it

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.duplicates or self.orphans)


def domains_by_virsh(servers: list[Libvirtd]) -> Counter[str]:
    """How often each vm id is marked on a domain, over all hosts."""
    found: Counter[str] = Counter()
    for server in servers:
        names = server.virsh("list", "--all", "--name").stdout.split()
        for name in names:
            xml = server.virsh("dumpxml", name).stdout
            metadata = xml.partition("<metadata>")[2].partition("</metadata>")[0]
            ids = set(UUID.findall(metadata))
            found.update(ids)
    return found


def domains_by_state_file(agents: list[Path]) -> Counter[str]:
    """As above, from the fake hosts' state files."""
    found: Counter[str] = Counter()
    for agent in agents:
        path = agent / "fake.json"
        if path.exists():
            found.update(json.loads(path.read_text())["vms"].keys())
    return found


def vm_directories(agents: list[Path]) -> Counter[str]:
    """Which vms have files on which hosts."""
    return Counter(d.name for agent in agents for d in (agent / "vms").glob("*") if d.is_dir())


def rows(stack: Stack, query: str) -> list[tuple[str, ...]]:
    """Straight from the database."""
    if stack.postgres is not None:
        with psycopg.connect(stack.env["INNKEEPER_DATABASE_URL"].replace("+psycopg", "", 1)) as connection:
            return connection.execute(query.encode()).fetchall()
    with sqlite3.connect(f"file:{stack.directory / 'innkeeper.db'}?mode=ro", uri=True, timeout=30) as connection:
        return connection.execute(query).fetchall()


def judge(stack: Stack, agents: list[Path], servers: list[Libvirtd], asked: dict[str, str]) -> Verdict:
    """Compare what was asked for (name -> "keep" | "delete") with what is there."""
    verdict = Verdict()
    there = domains_by_virsh(servers) if servers else domains_by_state_file(agents)
    # A domain's mark names the platform too: only ids that are (or were) vms count as vms.
    vms = {r[0]: r for r in rows(stack, "SELECT id, name, state, deleted_at FROM vms")}
    platform = rows(stack, "SELECT id FROM installation")[0][0]
    there.pop(platform, None)
    by_name = Counter(r[1] for r in vms.values())
    files = vm_directories(agents)
    alive = {i for i, r in vms.items() if r[2] in ("ready", "ready-unverified", "network-mismatch", "stopped")}
    over = {i for i, r in vms.items() if r[2] in ("failed", "deleted")}
    for name, wish in asked.items():
        ids = [i for i, r in vms.items() if r[1] == name]
        if not ids or any(i not in alive | over for i in ids):
            verdict.lost.append(f"{name} ({wish}): {[vms[i][2] for i in ids]}")
        if by_name[name] > 1:
            verdict.duplicates.append(f"{name}: {by_name[name]} vms")
        if wish == "delete" and any(i in alive for i in ids):
            verdict.lost.append(f"{name} should be deleted")
    verdict.duplicates += [f"domain {vm} {n} times" for vm, n in there.items() if n > 1]
    verdict.lost += [f"{vms[vm][1]} has no domain" for vm in alive if vm not in there]
    verdict.orphans += [f"domain {vm}" for vm in there if vm not in alive]
    verdict.orphans += [f"files of {vm}" for vm in files if vm not in alive]
    claims = {r[0] for r in rows(stack, "SELECT vm_id FROM claims")}
    verdict.orphans += [f"claim of {vm}" for vm in claims - alive]
    verdict.lost += [f"{vms[vm][1]} has no claim" for vm in alive - claims]
    leases = {r[0] for r in rows(stack, "SELECT vm_id FROM address_leases")}
    verdict.orphans += [f"address of {vm}" for vm in leases - alive]
    held = rows(stack, "SELECT coalesce(sum(vcpus),0), coalesce(sum(memory_mib),0) FROM claims")[0]
    used = rows(stack, "SELECT coalesce(sum(used_vcpus),0), coalesce(sum(used_memory_mib),0) FROM hosts")[0]
    if held != used:
        verdict.orphans.append(f"hosts hold {used} claimed, claims say {held}")
    images = {d.name for d in (stack.directory / "state" / "images").glob("*") if d.is_dir()}
    verdict.orphans += [f"image of {vm}" for vm in images - alive]
    return verdict


def virsh_version() -> str:
    """For the report."""
    return subprocess.run(["virsh", "--version"], capture_output=True, text=True, check=False).stdout.strip()
