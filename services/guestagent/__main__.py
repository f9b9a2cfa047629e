# SPDX-License-Identifier: Apache-2.0
"""`python3 guestagent.pyz` or `python -m services.guestagent`."""

import sys

from services.guestagent.agent import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
