# SPDX-License-Identifier: Apache-2.0
"""IP addresses wherever they stand in a text, read by nothing but their look."""

import re
from ipaddress import ip_address

_LOOK = re.compile(r"[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]*[0-9A-Fa-f:]")


def addresses_in(text: str) -> set[str]:
    """Each one in its shortest spelling."""
    found = set()
    for token in _LOOK.findall(text):
        try:
            found.add(str(ip_address(token)))
        except ValueError:
            continue
    return found
