# SPDX-License-Identifier: Apache-2.0
"""What a dry run answers, as text: the vm as it would be made, its host and why, and how long it would take."""

from collections.abc import Mapping
from typing import Any

import click

from innkeeper.cli.output import as_json, as_yaml, facts
from innkeeper.cli.verdict import explanation_text
from innkeeper.cli.words import memory, span
from innkeeper.models.placement import Explanation
from innkeeper.models.shape import load
from innkeeper.models.vm import Vm


def show_plan(plan: Mapping[str, Any], form: str) -> None:
    """Print a dry run's answer in the form that was asked for."""
    if form == "json":
        click.echo(as_json(plan))
    elif form == "yaml":
        click.echo(as_yaml(dict(plan)), nl=False)
    else:
        decision = load(Explanation, plan.get("placement") or {})
        click.echo(plan_text(load(Vm, plan.get("vm")), plan.get("expected_s")))
        click.echo("\n" + explanation_text(decision))


def plan_text(vm: Vm, expected_s: float | None) -> str:
    """The vm that would be made. Its MACs are drawn anew when it is made."""
    nics = [(f"nic {n}", ", ".join((nic.network, nic.method, *nic.addresses))) for n, nic in enumerate(vm.nics)]
    lines = [
        ("would make", vm.name),
        ("os", vm.os),
        ("size", f"{vm.vcpus} vCPU, {memory(vm.memory_mib)}, {vm.disk_gib} GiB disk"),
        *nics,
        ("ready after", f"about {span(expected_s)}" if expected_s else ""),
    ]
    return facts(lines)
