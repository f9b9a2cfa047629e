# SPDX-License-Identifier: Apache-2.0
"""The vendor's medium with slots in it: made by xorriso once per medium and recipe, kept with the other masters.

xorriso replays how the medium boots (El Torito, MBR, GPT) and leaves every other file alone. Two checks that vendors
ship would fail on any change: lines of the medium's checksum lists that cover a slot are taken out, and a checksum
implanted in the volume descriptor is blanked.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from services.common.contracts.codec import dump, load
from services.common.contracts.errors import ImageFailed
from services.common.contracts.journal import Progress
from services.imagebuilder.masters.programs import need, run
from services.imagebuilder.masters.store import Built, MasterStore
from services.imagebuilder.slots.edits import spelt_as_there, with_words
from services.imagebuilder.slots.examine import examine
from services.imagebuilder.slots.layout import Layout, Plan, Recipe, Slot
from services.imagebuilder.slots.pack import empty_archive

# Changes when this code makes something else of the same recipe.
_VERSION = 2
_SUMS = ("/md5sum.txt", "/sha256sum.txt", "/MD5SUMS", "/SHA256SUMS")
_LBA = re.compile(r"File data lba:\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*, '(.*)'")
_DONE = re.compile(r"(\d+\.\d)% done")
_SECTOR = 2048


@dataclass(frozen=True)
class SlottedMaster:
    """A master's file, its sha256, and its slots."""

    path: Path
    sha256: str
    layout: Layout


def ensure_slotted(store: MasterStore, medium: Path, sha256: str, recipe: Recipe, progress: Progress) -> SlottedMaster:
    """The medium's master by this recipe, made now unless it is there; `sha256` is the medium's.

    ImageFailed when the medium can't be used; nothing is left behind then.
    """

    def build(work: Path, told: Progress) -> Built:
        return replace(_build(medium, recipe, work, told), medium=sha256)

    master = store.ensure(_key(sha256, recipe), build, progress)
    iso, slots = master.files["iso"], master.files["slots"]
    return SlottedMaster(store.path(iso.sha256), iso.sha256, _layout(store.path(slots.sha256)))


def _key(sha256: str, recipe: Recipe) -> str:
    text = json.dumps([_VERSION, sha256, dump(recipe)], sort_keys=True)
    return f"{recipe.name}-slots-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


@lru_cache(64)
def _layout(path: Path) -> Layout:
    return load(Layout, json.loads(path.read_text()))


def _build(medium: Path, recipe: Recipe, work: Path, progress: Progress) -> Built:
    for plan in recipe.slots:
        if plan.size <= 0 or plan.size % 4096:
            raise ValueError(f"slot {plan.name} of {recipe.name} has {plan.size} bytes, no multiple of 4096")
    volume = examine(medium)
    need("putting slots into an installation medium", ["xorriso", "setpriv"])
    menus = {path: text.encode() for path, text in recipe.files}
    edited = [spelling for path, _ in recipe.edits for spelling in (path, path.upper())]
    known = _texts(medium, [*_SUMS, *(plan.path for plan in recipe.slots), *menus, *edited])
    for path, added in recipe.edits:
        there = spelt_as_there(path, known)
        menus[there] = with_words(there, known[there], added)
    ours = {*(plan.path for plan in recipe.slots), *menus}
    contents = {plan.path: _content(plan, known.get(plan.path)) for plan in recipe.slots}
    sums = {path: _without(known[path], ours) for path in _SUMS if path in known}
    changed = {path: text for path, text in sums.items() if text != known[path]}
    _check_menus(menus, known)
    iso = work / "master.iso"
    progress(5, "putting slots into the medium")
    run(_replay(medium, iso, _files(work, {**contents, **changed, **menus}), volume.changed), _reporter(progress))
    # xorriso rounds the file up; a GPT's backup is looked for in the last sector.
    os.truncate(iso, examine(iso).size)
    layout = Layout(iso.stat().st_size, _places(iso, recipe.slots))
    _check(iso, layout, contents)
    listed = work / "slots.json"
    listed.write_text(json.dumps(dump(layout), indent=1))
    return Built({"iso": (iso, "iso"), "slots": (listed, "json")})


def _replay(medium: Path, iso: Path, files: Mapping[str, Path], changed: str) -> list[str]:
    mapped = [word for place, path in files.items() for word in ("-map", str(path), place)]
    # The volume keeps its date: GRUB may look for it by that.
    dates = ["-volume_date", "uuid", changed] if changed else []
    return [
        *_xorriso("-indev", str(medium), "-outdev", str(iso), "-overwrite", "nondir", *mapped),
        *("-padding", "0", "-application_use", "0x00", *dates, "-boot_image", "any", "replay", "-commit"),
    ]


def _xorriso(*words: str) -> list[str]:
    # No user's start-up file; warnings about a vendor's oddities are no failure.
    return ["xorriso", "-no_rc", "-return_with", "FAILURE", "32", *words]


def _content(plan: Plan, text: bytes | None) -> bytes:
    """What the slot holds in the master: the medium's own menu, or an empty archive."""
    if not plan.text:
        return empty_archive().ljust(plan.size, b"\0")
    if text is None:
        raise ImageFailed(f"the medium has no {plan.path}, which its boot menu should be; is it another system's?")
    if len(text) > plan.size:
        raise ImageFailed(f"{plan.path} of the medium has {len(text)} bytes, more than its slot of {plan.size}")
    return text.ljust(plan.size, b"\n")


def _check_menus(menus: Mapping[str, bytes], known: Mapping[str, bytes]) -> None:
    """Raise ImageFailed when a boot menu that is to be replaced isn't there: then the medium boots another way."""
    missing = sorted(set(menus) - set(known))
    if missing:
        detail = f"the medium has no {', '.join(missing)}, which its boot menu should be; is it another system's?"
        raise ImageFailed(detail)


def _extents(iso: Path, paths: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    """(offset, size) of each extent of each of these files that the image has."""
    found: dict[str, list[tuple[int, int]]] = {}

    def note(line: str) -> None:
        match = _LBA.search(line)
        if match and match[5] in paths:
            found.setdefault(match[5], []).append((int(match[2]) * _SECTOR, int(match[4])))

    tests = [word for path in paths for word in ("-or", "-wholename", path)][1:]
    run(_xorriso("-indev", str(iso), "-find", "/", *tests, "-exec", "report_lba", "--"), note)
    return found


def _texts(iso: Path, paths: Sequence[str]) -> dict[str, bytes]:
    """Content of each of these files that the image has and that is in one piece."""
    with open(iso, "rb") as file:
        return {
            path: os.pread(file.fileno(), extents[0][1], extents[0][0])
            for path, extents in _extents(iso, paths).items()
            if len(extents) == 1
        }


def _without(sums: bytes, slots: set[str]) -> bytes:
    """A checksum list without the lines about slots."""
    return b"".join(line for line in sums.splitlines(keepends=True) if _named(line) not in slots)


def _named(line: bytes) -> str:
    """The path on the medium a line `<sum>  ./path` is about."""
    words = line.decode(errors="replace").split(maxsplit=1)
    return "/" + words[1].strip().lstrip("*").removeprefix("./").lstrip("/") if len(words) == 2 else ""


def _places(iso: Path, plans: Sequence[Plan]) -> tuple[Slot, ...]:
    found, slots = _extents(iso, [plan.path for plan in plans]), []
    for plan in plans:
        extents = found.get(plan.path, [])
        if len(extents) != 1 or extents[0][1] != plan.size:
            raise ImageFailed(f"xorriso put {plan.path} in {len(extents)} places, not in one of {plan.size} bytes")
        slots.append(Slot(plan.name, plan.path, extents[0][0], plan.size, plan.text))
    return tuple(slots)


def _check(iso: Path, layout: Layout, contents: Mapping[str, bytes]) -> None:
    """Raise ImageFailed unless each slot is where it is said to be."""
    with open(iso, "rb") as file:
        for slot in layout.slots:
            if os.pread(file.fileno(), slot.size, slot.offset) != contents[slot.path]:
                raise ImageFailed(f"{slot.path} is not at byte {slot.offset} of the master")


def _files(work: Path, contents: Mapping[str, bytes]) -> dict[str, Path]:
    files = {place: work / f"file-{number}" for number, place in enumerate(contents)}
    for place, path in files.items():
        path.write_bytes(contents[place])
    return files


def _reporter(progress: Progress) -> Callable[[str], None]:
    def on_line(line: str) -> None:
        match = _DONE.search(line)
        if match:
            progress(5 + 0.9 * float(match[1]), "writing the master")

    return on_line
