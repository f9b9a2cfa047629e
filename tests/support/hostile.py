# SPDX-License-Identifier: Apache-2.0
"""Texts that have broken out of answer files before, and what a harmless word is made of."""

import re
from random import Random

TEXTS = (
    "",
    " ",
    "x\ny: z",
    "a\r\nrootpw secret",
    "a\nd-i x/y string z",
    "%end",
    "x\n%end\n%post\nreboot\n%end",
    "%include /etc/passwd",
    'x" --password="y',
    "x'; reboot; '",
    '"; reboot; "',
    "$(reboot)",
    "`reboot`",
    "a;reboot",
    "a && reboot",
    "a | sh",
    "END\nreboot\ncat <<'END'",
    "KEYFILE\nreboot\n",
    "a # b",
    "a\\",
    "\\\nx",
    "]]>",
    "<x/>",
    "&lt;",
    '"}],"x":[{',
    "]}",
    "!!python/object:os.system {}",
    "!!binary |",
    "&a [*a]",
    "- x",
    "a: b",
    "{{ 7*7 }}",
    "{% raw %}",
    "[section]\nkey=value",
    "--- \nx: y",
    "../../etc/shadow",
    "\x00",
    "a\x00b",
    "\x1b[2J",
    "\x85x",
    "\u2028rootpw x",
    "\u202egnirts",
    "\ufeffx",
    "\ufffe",
    "\ud800",
    "a\udfffb",
    "ünïcödé",
    "x" * 65536,
    "x\n" * 4096,
    "fe80::1%eth0\nx",
    "192.0.2.1\n",
    "999.0.0.5/24",
)
# Nothing that these are made of can end a value, quote one or begin a command in any of the formats.
_HARMLESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+:~=,@/\[\]%-]{0,254}")


def a_text(random: Random) -> str:
    """One of the list, some of it in the middle of a word, or any characters at all."""
    kind = random.randrange(4)
    if kind < 2:
        return random.choice(TEXTS)
    if kind == 2:
        return f"a{random.choice(TEXTS)}b"
    return "".join(chr(_code_point(random)) for _ in range(random.randrange(1, 40)))


def _code_point(random: Random) -> int:
    return random.randrange(*random.choice(((0, 0x30), (0x20, 0x7F), (0x7F, 0x3000), (0xD800, 0x11000))))


def harmless(text: str) -> bool:
    """Whether the text, standing bare in any of the formats, could be nothing but a value."""
    return bool(_HARMLESS.fullmatch(text))
