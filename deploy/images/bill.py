# SPDX-License-Identifier: Apache-2.0
"""`python -m deploy.images.bill api /opt/innkeeper`: what is in an image, as CycloneDX, into its `bill.cdx.json`.

It is read from what is installed, not from what was asked for. The same parts give the same bytes.
"""

import hashlib
import platform
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parents[2]
DPKG = Path("/var/lib/dpkg/status")
_OURS = uuid.UUID("6d1f0e0a-5f0e-4c55-9d53-1f7f6f6c3b51")
_LONG_AGO = datetime(1980, 1, 1, tzinfo=UTC)
_LICENCE = "Apache-2.0"


def python_packages(site: Path) -> Iterator[Component]:
    """Every distribution below `site`."""
    for found in distributions(path=[str(site)]):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        url = PackageURL("pypi", name=name, version=found.version)
        yield Component(name=name, version=found.version, purl=url, bom_ref=str(url), licenses=[*_licences(found)])


def _licences(found: Distribution) -> Iterator[License]:
    told = next((found.metadata[key] for key in ("License-Expression", "License") if key in found.metadata), "")
    if told and len(told) <= 64 and "\n" not in told:  # some put the whole text there
        yield LicenseFactory().make_from_string(told)


def debian_packages(status: str) -> Iterator[Component]:
    """Every package that dpkg's status file says is installed."""
    for stanza in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Status|Version|Architecture): (.+)$", stanza, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            name, version = fields["Package"], fields["Version"]
            url = PackageURL("deb", "debian", name, version, {"arch": fields["Architecture"]})
            yield Component(name=name, version=version, purl=url, bom_ref=str(url))


def bill(target: str, version: str, parts: list[Component]) -> str:
    """The document, as JSON."""
    licences = [LicenseFactory().make_from_string(_LICENCE)]
    name = f"innkeeper-{target}"
    root = Component(name=name, version=version, type=ComponentType.CONTAINER, licenses=licences, bom_ref=name)
    python = Component(name="python", version=platform.python_version(), type=ComponentType.PLATFORM, bom_ref="python")
    digest = hashlib.sha256("\n".join(sorted(str(part.purl) for part in parts)).encode()).hexdigest()
    document = Bom(
        components=[python, *parts],
        metadata=BomMetaData(component=root, timestamp=_LONG_AGO),
        serial_number=uuid.uuid5(_OURS, f"{target} {version} {digest}"),
    )
    document.register_dependency(root, document.components)
    return make_outputter(document, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def main(arguments: list[str]) -> int:
    """Write the document of the image that is being built."""
    if len(arguments) != 2:
        print("usage: python -m deploy.images.bill TARGET DIRECTORY", file=sys.stderr)
        return 2
    target, directory = arguments[0], Path(arguments[1])
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    debian = debian_packages(DPKG.read_text()) if DPKG.exists() else ()
    (directory / "bill.cdx.json").write_text(bill(target, version, [*python_packages(directory / "site"), *debian]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
