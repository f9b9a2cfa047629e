# SPDX-License-Identifier: Apache-2.0
"""The mirror that `make netboot` installs from: what is in its index, and what it answers."""

import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.support.file_server import serving
from tests.support.udeb_mirror import Mirror, index, relayed
from tests.support.udeb_mirror.origin import Origin

KERNEL = "6.12.1-amd64"


def stanza(name: str, **fields: str) -> str:
    said = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    return f"Package: {name}\n{said}Filename: pool/main/{name}.udeb\n"


INDEX = "\n".join(
    [
        stanza("partman-base", Depends="libparted (>= 3.6), mapper, libc6-udeb"),
        stanza("libparted2-udeb", Provides="libparted"),
        stanza("mapper-udeb", Provides="mapper (= 1)"),
        stanza(f"ext4-modules-{KERNEL}-di", Kernel_Version=KERNEL, Provides="ext4-modules"),
        stanza("ext4-modules-5.9-amd64-di", Kernel_Version="5.9-amd64", Provides="ext4-modules"),
        stanza("games-udeb"),
    ]
)


def test_what_an_installation_needs_is_found_by_dependencies_and_the_mediums_kernel() -> None:
    found = index.needed(index.read(INDEX, KERNEL), KERNEL)
    assert [each.name for each in found] == [
        f"ext4-modules-{KERNEL}-di",
        "libparted2-udeb",
        "mapper-udeb",
        "partman-base",
    ]


def test_an_index_depends_on_nothing_that_the_mirror_has_not() -> None:
    held = [each for each in index.read(INDEX, KERNEL) if each.name in ("partman-base", "libparted2-udeb")]
    assert "Depends: libparted (>= 3.6)\n" in index.written(held).decode()
    assert "Depends" not in index.written(held[:1]).decode()


def test_a_release_file_names_our_index_and_no_packed_form_of_it() -> None:
    names = (f"{index.PATH}.xz", "main/binary-amd64/Packages", index.PATH)
    lines = ["Suite: stable", "MD5Sum:", *(f" aa 1 {name}" for name in names), "SHA256:"]
    release = "\n".join([*lines, *(f" bb 1 {name}" for name in names)])
    assert index.release_with(release, b"ours").decode().splitlines() == [
        *("Suite: stable", "MD5Sum:", " aa 1 main/binary-amd64/Packages"),
        *("SHA256:", " bb 1 main/binary-amd64/Packages"),
        f" {hashlib.sha256(b'ours').hexdigest()} 4 {index.PATH}",
    ]


def test_a_mirror_answers_with_its_own_files_and_relays_and_keeps_the_pool(tmp_path: Path) -> None:
    archive, cache, packed = tmp_path / "archive", tmp_path / "cache", tmp_path / "packed"
    for path in ("pool/a+b.deb", "dists/x/InRelease", "dists/x/main/debian-installer/binary-amd64/Packages.xz"):
        (archive / path).parent.mkdir(parents=True, exist_ok=True)
        (archive / path).write_bytes(path.encode())
    packed.mkdir()
    (packed / "e2.udeb").write_bytes(b"packed")
    with serving(archive) as url:
        mirror = Mirror(Origin(url, cache), {"dists/x/Release": b"ours"}, packed)
        with relayed(mirror) as port:

            def got(path: str) -> bytes | int:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}") as answer:
                        content: bytes = answer.read()
                        return content
                except urllib.error.HTTPError as error:
                    return error.code

            assert got("debian/dists/x/Release") == b"ours"
            assert got("debian/pool/packed/e2.udeb") == b"packed"
            assert got("debian/dists/x/InRelease") == b"dists/x/InRelease"
            assert got("debian/pool/a%2bb.deb") == b"pool/a+b.deb"
            (archive / "pool/a+b.deb").unlink()
            assert got("debian/pool/a+b.deb") == b"pool/a+b.deb"
            none = ("pool/none.deb", "pool/../../secret", "dists/x/main/debian-installer/binary-amd64/Packages.xz")
            assert [got(f"debian/{path}") for path in none] == [404, 404, 404]
            assert got("pool/a+b.deb") == 404
    assert sorted(file.name for file in cache.rglob("*") if file.is_file()) == ["a+b.deb"]


def test_an_archive_that_fails_is_not_taken_for_one_that_lacks_the_file(tmp_path: Path) -> None:
    origin = Origin("http://127.0.0.1:9/debian", tmp_path)
    with pytest.raises(urllib.error.URLError):
        origin.file("pool/a.deb")
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []
