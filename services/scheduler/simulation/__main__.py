# SPDX-License-Identifier: Apache-2.0
"""What policies do: `python -m services.scheduler.simulation [--policy FILE] [--trace FILE] [--picture FILE]`.

Without a trace the sample cluster is used. The table goes to standard output.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from services.common.contracts.errors import Invalid
from services.scheduler.policy import Policy
from services.scheduler.policy_file import SHIPPED, Shelf, read_policy
from services.scheduler.simulation.outcome import Outcome, as_text
from services.scheduler.simulation.physics import Physics
from services.scheduler.simulation.picture import picture
from services.scheduler.simulation.recorded import read_lines
from services.scheduler.simulation.replay import by_policy, replay
from services.scheduler.simulation.sample import sample_trace
from services.scheduler.simulation.trace import Trace

TITLE = "The same vms on the same hosts, under different policies"


def outcomes(trace: Trace, policies: Sequence[Policy], physics: Physics | None = None) -> list[Outcome]:
    """The trace replayed under each policy."""
    return [replay(trace, policy.name, by_policy(policy), physics) for policy in policies]


def shipped() -> list[Policy]:
    """The shipped policies by name."""
    shelf = Shelf()
    return [shelf.get(file.stem) for file in sorted(SHIPPED.glob("*.yaml"))]


def shipped_picture() -> str:
    """What each shipped policy does to the sample cluster."""
    trace = sample_trace()
    return picture(TITLE, trace, outcomes(trace, shipped()))


def main(arguments: Sequence[str]) -> int:
    """0, or 2 with what is wrong on standard error."""
    parser = argparse.ArgumentParser(prog="python -m services.scheduler.simulation", description=__doc__)
    parser.add_argument(
        "--policy", type=Path, action="append", default=[], help="a policy file, beside the shipped ones"
    )
    parser.add_argument("--trace", type=Path, help="hosts and requests as lines of JSON")
    parser.add_argument("--picture", type=Path, help="where to write an SVG")
    asked = parser.parse_args(arguments)
    try:
        trace = _trace(asked.trace)
        policies = shipped() + [read_policy(p.read_text(), p.name) for p in asked.policy]
    except (Invalid, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    found = outcomes(trace, policies)
    sys.stdout.write(as_text(found, [a.host for a in trace.arrivals]) + "\n")
    if asked.picture:
        asked.picture.write_text(picture(TITLE, trace, found))
    return 0


def _trace(path: Path | None) -> Trace:
    if path is None:
        return sample_trace()
    with path.open() as lines:
        return read_lines(path.name, lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
