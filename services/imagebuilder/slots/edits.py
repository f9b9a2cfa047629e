# SPDX-License-Identifier: Apache-2.0
"""A boot menu of the medium that stays the vendor's, but for words added to one of its lines.

It lists what the medium carries, which is another list for every build of the system.
"""

from collections.abc import Mapping

from services.common.contracts.errors import ImageFailed


def with_words(path: str, text: bytes, added: str) -> bytes:
    """The text of `path` with the words of `added`, which is `key=words`, at the end of its one line `key=...`.

    ImageFailed when there isn't just one such line: then the medium is another system's.
    """
    key, _, words = added.partition("=")
    lines = text.splitlines(keepends=True)
    found = [n for n, line in enumerate(lines) if line.partition(b"=")[0].strip() == key.encode()]
    if len(found) != 1:
        raise ImageFailed(f"{path} of the medium has {len(found)} lines {key}=, not one; is it another system's?")
    line = lines[found[0]]
    plain = line.rstrip()
    if words.encode() not in plain.partition(b"=")[2].split():
        joint = b"" if plain.endswith(b"=") else b" "
        lines[found[0]] = plain + joint + words.encode() + line[len(plain) :].lstrip(b" \t")
    return b"".join(lines)


def spelt_as_there(path: str, known: Mapping[str, bytes]) -> str:
    """`path` as the medium spells it: a medium whose names are bare ISO 9660 ones has them in capitals.

    ImageFailed when it has no such file, or both.
    """
    found = sorted({path, path.upper()} & set(known))
    if len(found) != 1:
        wrong = "both spellings of" if found else "no"
        raise ImageFailed(f"the medium has {wrong} {path}, which its boot menu should be; is it another system's?")
    return found[0]
