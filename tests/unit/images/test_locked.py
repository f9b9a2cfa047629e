# SPDX-License-Identifier: Apache-2.0
"""What an image takes of the lock."""

import pytest

from deploy.images.locked import Wish, entries, read, subset

LOCK = """# by uv
flask==3.1.3 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via innkeeper (pyproject.toml)
jinja2==3.1.6 \\
    --hash=sha256:cc
    # via
    #   flask
    #   innkeeper (pyproject.toml)
markupsafe==3.0.4 \\
    --hash=sha256:dd
    # via jinja2
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:ee
    # via innkeeper (pyproject.toml)
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:ff
    # via innkeeper (pyproject.toml)
"""
PROJECT = {
    "project": {
        "dependencies": [],
        "optional-dependencies": {"api": ["Flask>=3.1"], "build": ["Jinja2>=3"], "score": ["numpy>=2"], "x": ["gone"]},
    }
}


def names(**wish: list[str]) -> list[str]:
    return [entry.name for entry in subset(LOCK, PROJECT, Wish(**wish))]


def test_an_extra_brings_all_that_its_packages_need_and_nothing_else() -> None:
    assert names(extras=["api"]) == ["flask", "jinja2", "markupsafe"]
    assert names(extras=["build"]) == ["jinja2", "markupsafe"]


def test_what_another_extra_has_brought_is_not_brought_again() -> None:
    assert names(extras=["api"], without=["build"]) == ["flask"]


def test_what_is_left_out_takes_along_what_it_alone_needs() -> None:
    assert names(extras=["api"], left_out=["jinja2"]) == ["flask"]


def test_both_entries_of_a_package_with_markers_are_kept_for_pip_to_choose() -> None:
    assert names(extras=["score"]) == ["numpy", "numpy"]


def test_every_line_keeps_its_hashes() -> None:
    assert entries(LOCK)[0].text == "flask==3.1.3 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb"
    assert [entry.version for entry in entries(LOCK)] == ["3.1.3", "3.1.6", "3.0.4", "2.4.6", "2.5.5"]


def test_a_package_the_lock_lacks_is_named() -> None:
    with pytest.raises(ValueError, match="lacks gone; run: make lock"):
        names(extras=["x"])


def test_an_extra_nobody_has_heard_of_is_named() -> None:
    with pytest.raises(ValueError, match="no extra typo; it has base, api"):
        names(extras=["typo"])


def test_the_real_lock_gives_each_image_what_its_service_stands_on() -> None:
    found = {entry.name for entry in read(Wish(["base", "runtime"], left_out=["click-repl"]))}
    assert {"celery", "sqlalchemy", "psycopg-binary", "cryptography", "httpx"} <= found
    assert not {"prompt-toolkit", "flask", "pytest", "numpy"} & found
    assert "libvirt-python" in {entry.name for entry in read(Wish(["libvirt"], ["base", "runtime"]))}
