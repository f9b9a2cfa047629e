# SPDX-License-Identifier: Apache-2.0
"""`python3 finish.py api services.api.app ...`: the last step of an image: bytecode of what is run, and its bill.

The modules are imported once, as the service will import them, so the bytecode of exactly those is kept.
"""

import importlib
import subprocess
import sys
from collections.abc import Sequence

BILL = ("/tools/bin/python", "-m", "deploy.images.bill")


def main(arguments: Sequence[str]) -> int:
    """Import, then write the bill."""
    if not arguments:
        print("usage: finish.py TARGET [MODULE...]", file=sys.stderr)
        return 2
    target, *modules = arguments
    for module in modules:
        importlib.import_module(module)
    environment = {"PYTHONPATH": "/src", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([*BILL, target, "/opt/innkeeper"], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
