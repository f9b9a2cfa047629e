# SPDX-License-Identifier: Apache-2.0
"""What a dry run answers, as text: the vm as it would be made, its host and why, and how long it would take."""

from collections.abc import Mapping
from typing import Any

import click

from innkeeper.cli.link_lines import link_lines
from innkeeper.cli.output import as_json, as_yaml, facts
from innkeeper.cli.verdict import explanation_text
from innkeeper.cli.words import memory, span
from innkeeper.models.image import PreviewedFile
from innkeeper.models.placement import Explanation
from innkeeper.models.shape import load
from innkeeper.models.vm import Vm


def show_plan(plan: Mapping[str, Any], form: str, whole_files: bool = False) -> None:
    """Print a dry run's answer in the form that was asked for; in text, the guest's files by name or `whole_files`."""
    if form == "json":
        click.echo(as_json(plan))
    elif form == "yaml":
        click.echo(as_yaml(dict(plan)), nl=False)
    else:
        decision = load(Explanation, plan.get("placement") or {})
        click.echo(plan_text(load(Vm, plan.get("vm")), plan.get("expected_s")))
        click.echo("\n" + explanation_text(decision))
        if "files" in plan:
            click.echo("\n" + files_text(plan["files"], whole_files))


def plan_text(vm: Vm, expected_s: float | None) -> str:
    """The vm that would be made. Its MACs are drawn anew when it is made."""
    lines = [
        ("would make", vm.name),
        ("os", vm.os),
        ("size", f"{vm.vcpus} vCPU, {memory(vm.memory_mib)}, {vm.disk_gib} GiB disk"),
        *link_lines(vm, macs=False),
        ("ready after", f"about {span(expected_s)}" if expected_s else ""),
    ]
    return facts(lines)


def files_text(files: Any, whole: bool) -> str:
    """The guest's files: their names, or their texts too."""
    if files is None:
        return "files of the guest: not known now, no image builder answers"
    found = [load(PreviewedFile, file) for file in files]
    if whole:
        return "\n".join(f"--- {file.path}\n{file.text.rstrip()}" for file in found)
    return f"files of the guest (--show-files): {', '.join(file.path for file in found)}"
