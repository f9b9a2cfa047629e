# SPDX-License-Identifier: Apache-2.0
"""Flower, once it is known who may see it: whoever can use Flower can end workers. Standard library only."""

import os
import sys
from collections.abc import Mapping

GUARDS = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH")
REFUSAL = "Flower isn't started for everybody: set FLOWER_BASIC_AUTH=user:password, or FLOWER_AUTH with a provider"


def refusal(env: Mapping[str, str]) -> str:
    """Why it isn't started; empty where it may be."""
    return "" if any(env.get(name) for name in GUARDS) else REFUSAL


def main() -> int:
    """Become Flower, on every address of the container."""
    why = refusal(os.environ)
    if why:
        print(why, file=sys.stderr)
        return 2
    words = ["-m", "celery", "flower", "--address=0.0.0.0", "--port=5555"]
    os.execv(sys.executable, [sys.executable, *words])


if __name__ == "__main__":
    sys.exit(main())
