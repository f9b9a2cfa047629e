# SPDX-License-Identifier: Apache-2.0
"""`python -m tests.chaos -n 40`: N creates with a fault in each; exit 0 only when nothing is lost, doubled or left."""

import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from tests.chaos.storm import storm


@click.command()
@click.option("-n", "--n", "count", default=40, show_default=True, help="How many creates.")
@click.option("--driver", type=click.Choice(["libvirt", "fake"]), default="libvirt", show_default=True)
@click.option("--seed", default=1, show_default=True, help="The same seed strikes in the same order.")
@click.option("--keep", is_flag=True, help="Keep the directory with all logs.")
def main(count: int, driver: str, seed: int, keep: bool) -> None:
    """Kill everything in the middle of creates, then count."""
    directory = Path(tempfile.mkdtemp(prefix="ik-"))
    report = storm(directory, count, driver, seed, lambda line: click.echo(line, err=True))
    click.echo("faults:     " + ", ".join(f"{n} x {name}" for name, n in sorted(Counter(report.faults).items())))
    click.echo(f"jobs:       {report.states}")
    click.echo(f"recovery:   {report.recovery_s:.1f} s after the last fault; the whole run took {report.took_s:.0f} s")
    verdict = report.verdict
    for title, found in (("lost", verdict.lost), ("duplicates", verdict.duplicates), ("orphans", verdict.orphans)):
        for line in found:
            click.echo(f"  {title}: {line}")
    click.echo(f"lost {len(verdict.lost)}, duplicates {len(verdict.duplicates)}, orphans {len(verdict.orphans)}")
    unfinished = set(report.states) - {"succeeded", "failed", "cancelled"}
    if keep or not verdict.clean or unfinished:
        click.echo(f"logs: {directory}")
    else:
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if verdict.clean and not unfinished else 1)


if __name__ == "__main__":
    main()
