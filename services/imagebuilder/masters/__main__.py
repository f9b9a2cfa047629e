# SPDX-License-Identifier: Apache-2.0
"""`python -m services.imagebuilder.masters NAME --state-dir DIR`: make a master now; prints its files as JSON."""

import argparse
import json
import sys
from pathlib import Path

from services.common.contracts.errors import InnkeeperError
from services.imagebuilder.masters.ensure import RECIPES, ensure_master
from services.imagebuilder.masters.store import MasterStore


def main(arguments: list[str]) -> int:
    """0 and JSON on stdout; 1 and the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m services.imagebuilder.masters", description=__doc__)
    parser.add_argument("name", choices=sorted(RECIPES))
    parser.add_argument("--state-dir", type=Path, required=True)
    asked = parser.parse_args(arguments)
    store = MasterStore(asked.state_dir.resolve())
    try:
        master = ensure_master(
            store, asked.name, lambda percent, text: print(f"{percent or '':>4} {text}", file=sys.stderr)
        )
    except InnkeeperError as error:
        print(error.detail, file=sys.stderr)
        return 1
    files = {
        role: {"path": str(store.path(f.sha256)), "sha256": f.sha256, "size": f.size, "format": f.format}
        for role, f in master.files.items()
    }
    print(json.dumps({"recipe": master.recipe, "cmdline": master.cmdline, "files": files}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
