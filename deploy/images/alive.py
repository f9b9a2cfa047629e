# SPDX-License-Identifier: Apache-2.0
"""`python3 alive.py URL`: exit code 0 where a GET answers 2xx within three seconds. Standard library only, no proxy."""

import sys
import urllib.request

PATIENCE_S = 3.0


def main(arguments: list[str]) -> int:
    """Ask; say in one line why not."""
    if len(arguments) != 1:
        print("usage: alive.py URL", file=sys.stderr)
        return 2
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(arguments[0], timeout=PATIENCE_S):
            return 0
    except (OSError, ValueError) as error:  # URLError, HTTPError and time-outs are OSErrors
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
