# SPDX-License-Identifier: Apache-2.0
"""`python -m services.guestagent.build OUT.pyz`: packs the agent; the same sources give the same bytes."""

import sys
import zipfile
from io import BytesIO
from pathlib import Path

_SHEBANG = b"#!/usr/bin/env python3\n"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_LICENCE = "# SPDX-License-Identifier: Apache-2.0\n"
_NOT_INSIDE = frozenset({"build.py"})
_MAIN = _LICENCE + "import sys\nfrom services.guestagent.agent import main\nsys.exit(main(sys.argv[1:]))\n"


def pack(folder: Path = Path(__file__).parent) -> bytes:
    """The whole .pyz."""
    files = {"__main__.py": _MAIN.encode(), "services/__init__.py": _LICENCE.encode()}
    for source in sorted(folder.glob("*.py")):
        if source.name not in _NOT_INSIDE:
            files[f"services/guestagent/{source.name}"] = source.read_bytes()
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type, entry.external_attr, entry.create_system = zipfile.ZIP_STORED, 0o644 << 16, 3
            archive.writestr(entry, files[name])
    return _SHEBANG + out.getvalue()


def main(arguments: list[str]) -> int:
    """Write the .pyz to the path given."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m services.guestagent.build OUT.pyz\n")
        return 2
    path = Path(arguments[0])
    path.write_bytes(pack())
    path.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
