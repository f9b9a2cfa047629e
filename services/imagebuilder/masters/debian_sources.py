# SPDX-License-Identifier: Apache-2.0
"""Which Debian mirror to build from: the machine's own where it is a Debian, else the public one.

INNKEEPER_DEBIAN_MIRROR and INNKEEPER_DEBIAN_SECURITY_MIRROR name others.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

PUBLIC = "http://deb.debian.org/debian"
PUBLIC_SECURITY = "http://deb.debian.org/debian-security"


@dataclass(frozen=True)
class Mirrors:
    """URLs of an archive and of its security archive."""

    main: str
    security: str

    def lines(self, release: str, keyring: str) -> list[str]:
        """One-line apt sources of the release."""
        pairs = ((self.main, release), (self.main, f"{release}-updates"), (self.security, f"{release}-security"))
        return [f"deb [signed-by={keyring}] {url} {suite} main" for url, suite in pairs]

    def without_secrets(self) -> "Mirrors":
        """The same, fit to be written into an image."""
        return Mirrors(_bare(self.main), _bare(self.security))


def _bare(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def machine_mirrors(etc: Path = Path("/etc"), env: Mapping[str, str] = os.environ) -> Mirrors:
    """The mirrors to use here."""
    main = security = ""
    # A Debian mirror is what has <codename>-updates too; other vendors' archives have not.
    for url, suites in _entries(etc / "apt"):
        if url.startswith(("http://", "https://")) and _is_debian(etc):
            main = main or (url if any(re.fullmatch(r"[a-z]+-updates", s) for s in suites) else "")
            security = security or (url if any(re.fullmatch(r"[a-z]+-security", s) for s in suites) else "")
    return Mirrors(
        env.get("INNKEEPER_DEBIAN_MIRROR") or main or PUBLIC,
        env.get("INNKEEPER_DEBIAN_SECURITY_MIRROR") or security or PUBLIC_SECURITY,
    )


def _is_debian(etc: Path) -> bool:
    try:
        return bool(re.search(r'^ID="?debian"?$', (etc / "os-release").read_text(), re.MULTILINE))
    except FileNotFoundError:
        return False


def _entries(apt: Path) -> Iterator[tuple[str, Sequence[str]]]:
    for path in (apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))):
        if path.suffix == ".list" and path.is_file():
            yield from _one_line(path.read_text())
        elif path.suffix == ".sources" and path.is_file():
            yield from _stanzas(path.read_text())


def _one_line(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)", line)
        if found:
            yield found[1].rstrip("/"), [found[2]]


def _stanzas(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    for stanza in re.split(r"\n\s*\n", re.sub(r"^#.*\n?", "", text, flags=re.MULTILINE)):
        fields = {k.lower(): v.split() for k, v in re.findall(r"^([\w-]+):[ \t]*(.*)$", stanza, re.MULTILINE)}
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            for url in fields.get("uris", []):
                yield url.rstrip("/"), fields.get("suites", [])


def proxy_options() -> list[str]:
    """The machine's apt proxy settings as `Key "value";`, for an apt that doesn't read them itself."""
    names = ("Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::https::CAInfo")
    wanted = [argument for n, name in enumerate(names) for argument in (f"V{n}", name)]
    found = subprocess.run(["apt-config", "shell", *wanted], capture_output=True, text=True, check=False).stdout
    values = re.findall(r"^V(\d)='([^'\"]*)'$", found, re.MULTILINE)
    return [f'{names[int(n)]} "{value}";' for n, value in values if value]
