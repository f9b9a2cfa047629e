# SPDX-License-Identifier: Apache-2.0
"""`python -m deploy.grafana`: write every dashboard."""

import json
from pathlib import Path

from deploy.grafana.board import board_json
from deploy.grafana.boards import BOARDS

DASHBOARDS = Path(__file__).parent / "dashboards"


def texts() -> dict[str, str]:
    """What each file holds, by its name."""
    return {f"{b.name}.json": json.dumps(board_json(b), indent=1, ensure_ascii=False) + "\n" for b in BOARDS}


def main() -> None:
    """Write the files."""
    for name, text in texts().items():
        (DASHBOARDS / name).write_text(text)


if __name__ == "__main__":
    main()
