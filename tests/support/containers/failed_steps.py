# SPDX-License-Identifier: Apache-2.0
"""What a build that failed should say first: the words of the steps that failed, not of those that ran beside them."""

import re

_OF_STEP = re.compile(r"#(\d+) (.*)")


def failed_steps(progress: str) -> str:
    """The lines of BuildKit's plain progress that are of steps with an error; empty where there are none."""
    found: dict[str, list[str]] = {}
    failed, step = set(), ""
    for line in progress.splitlines():
        match = _OF_STEP.match(line)
        # A blank line ends a step's turn; what a program overwrites (\r) comes as lines without a number.
        step = match[1] if match else step if line else ""
        found.setdefault(step, []).append(line)
        if match and match[2].startswith("ERROR"):
            failed.add(step)
    return "\n".join(line for step, lines in found.items() if step in failed for line in lines)
