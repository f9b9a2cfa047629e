# SPDX-License-Identifier: Apache-2.0
"""The list of what is in an image."""

import json
from pathlib import Path

from cyclonedx.model.component import Component

from deploy.images.bill import bill, debian_packages, python_packages

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u14
Depends: libgcc-s1

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def parts(tmp_path: Path) -> list[Component]:
    info = tmp_path / "Some_Thing-1.2.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: Some_Thing\nVersion: 1.2\nLicense-Expression: MIT\n")
    return [*python_packages(tmp_path), *debian_packages(STATUS)]


def test_a_bill_names_the_service_python_and_each_package_that_is_installed(tmp_path: Path) -> None:
    found = json.loads(bill("api", "0.1.0", parts(tmp_path)))
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.6")
    assert found["metadata"]["component"]["name"] == "innkeeper-api"
    urls = [part.get("purl") for part in found["components"]]
    assert "pkg:pypi/some-thing@1.2" in urls
    assert "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64" in urls
    assert not any("gone" in url for url in urls if url)
    licences = [part["licenses"] for part in found["components"] if part["name"] == "some-thing"]
    assert licences == [[{"license": {"id": "MIT"}}]]


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    first = bill("api", "0.1.0", parts(tmp_path))
    assert bill("api", "0.1.0", parts(tmp_path)) == first
    assert bill("worker", "0.1.0", parts(tmp_path)) != first
