# SPDX-License-Identifier: Apache-2.0
"""The options that describe a vm, shared by `inn vm create` and `inn explain`, and the spec they make."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from innkeeper.cli.data_disks import data_disk
from innkeeper.cli.links import bond, link, overlaid, vlan

F = TypeVar("F", bound=Callable[..., Any])
LAYOUTS, FIRMWARES = ("whole", "lvm", "home"), ("bios", "uefi")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_AS_GIVEN = (
    "os",
    "flavor",
    "hostname",
    "domain",
    "locale",
    "keyboard",
    "timezone",
    "layout",
    "firmware",
    "mirror",
    "proxy",
    "hypervisor",
)
DEFAULT_USER = "admin"
DECIDING = frozenset(
    {"flavor", "vcpus", "memory_mib", "disk_gib", "os", "hypervisor", "zone", "traits", "labels", "policy"}
)

_OPTIONS = (
    click.option("--os", "os", metavar="NAME", help="Operating system: `inn os list`."),
    click.option("--flavor", metavar="NAME", help="Size: `inn flavor list`."),
    click.option(
        "--network",
        "networks",
        multiple=True,
        metavar="NET",
        help="A NIC: default, or lab=192.0.2.10/24,gateway=192.0.2.1,dns=192.0.2.53 (repeat for more NICs).",
    ),
    click.option(
        "--bond",
        "bonds",
        multiple=True,
        metavar="BOND",
        help="Cards as one link: bond0=192.0.2.10/24,mode=802.3ad; its cards are --network lab=bond=bond0.",
    ),
    click.option(
        "--vlan", "vlans", multiple=True, metavar="VLAN", help="A tagged link: 20@eth0=192.0.2.10/24, or 20@bond0."
    ),
    click.option(
        "--volume",
        "volumes",
        multiple=True,
        metavar="VOLUME",
        help="A data disk: data:20 (GiB), data:20:keep to outlive the vm, data:20@fast to lie on the datastore fast,"
        " or the name of one that was kept.",
    ),
    click.option("--hostname", metavar="NAME", help="The guest's name; else the vm's."),
    click.option("--user", metavar="NAME", help=f"A login in the guest [default with --ssh-key: {DEFAULT_USER}]."),
    click.option(
        "--ssh-key",
        "ssh_keys",
        multiple=True,
        type=_FILE,
        help="Public key file of that login.",
    ),
    click.option("--package", "packages", multiple=True, metavar="NAME", help="Install this in the guest."),
    click.option("--domain", metavar="NAME", help="The guest's DNS domain."),
    click.option("--locale", metavar="NAME", help="Like de_DE.UTF-8."),
    click.option("--keyboard", metavar="LAYOUT", help="Like de."),
    click.option("--timezone", metavar="ZONE", help="Like Europe/Berlin."),
    click.option("--layout", type=click.Choice(LAYOUTS), help="How the first disk is divided."),
    click.option("--firmware", type=click.Choice(FIRMWARES), help="What the vm boots by."),
    click.option("--mirror", metavar="URL", help="Install packages from here."),
    click.option("--proxy", metavar="URL", help="Fetch packages by this HTTP proxy."),
    click.option("--ntp", multiple=True, metavar="SERVER", help="A time server."),
    click.option("--ca-certificate", "ca_certificates", multiple=True, type=_FILE, help="PEM file the guest trusts."),
    click.option("--first-boot", "first_boot", type=_FILE, help="Script or cloud-config for the first boot."),
    click.option("--hypervisor", metavar="KIND", help="On a host of this kind: libvirt or vsphere."),
    click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="A label of the vm."),
    click.option("-f", "--file", "file", type=click.File("r", encoding="utf-8"), help="Spec in YAML; options win."),
)


def described(command: F) -> F:
    """All options that describe a vm; the command takes them as **options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def spec(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of POST /v1/vms; raises click.UsageError that names the option."""
    made = _given(name, options)
    if not made.get("networks"):
        made["networks"] = [{"network": "default"}]
    missing = [] if made.get("os") else ["--os"]
    if not made.get("flavor") and not made.get("vcpus"):
        missing.append("--flavor")
    if missing:
        raise click.UsageError(f"{' and '.join(missing)} missing; `inn os list` and `inn flavor list` show the choice")
    return made


def needs(options: Mapping[str, Any]) -> dict[str, Any]:
    """The body of POST /v1/placements:explain: what of the description decides where a vm goes."""
    given = _given("", options)
    new = [volume for volume in given.get("volumes", []) if "size_gib" in volume]
    volumes = [{key: volume[key] for key in ("size_gib", "datastore") if key in volume} for volume in new]
    deciding = {key: value for key, value in given.items() if key in DECIDING}
    return {**deciding, **({"volumes": volumes} if volumes else {})}


def _given(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The file's values with the options over them."""
    given = {
        "name": name,
        **{key: options[key] for key in _AS_GIVEN},
        "networks": [_checked("--network", link, text) for text in options["networks"]],
        "bonds": [_checked("--bond", bond, text) for text in options["bonds"]],
        "vlans": [_checked("--vlan", vlan, text) for text in options["vlans"]],
        "volumes": [_checked("--volume", data_disk, text) for text in options["volumes"]],
        "users": _users(options["user"], options["ssh_keys"]),
        "packages": list(options["packages"]),
        "ntp": list(options["ntp"]),
        "ca_certificates": [_text("--ca-certificate", path) for path in options["ca_certificates"]],
        "first_boot": _text("--first-boot", options["first_boot"]) if options["first_boot"] else "",
        "labels": dict(_checked("--label", _label, text) for text in options["labels"]),
    }
    return overlaid(_from_file(options["file"]), given)


def _from_file(file: TextIO | None) -> Mapping[str, Any]:
    if file is None:
        return {}
    import yaml

    try:
        data = yaml.safe_load(file)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--file {file.name}: not YAML: {error}") from error
    if not isinstance(data, Mapping):
        raise click.UsageError(f"--file {file.name}: a mapping is needed, like `os: debian-12`")
    return data


def _users(name: str | None, key_files: Sequence[Path]) -> list[dict[str, Any]]:
    keys = [_key(path) for path in key_files]
    if not name and not keys:
        return []
    return [{"name": name or DEFAULT_USER, "ssh_keys": keys}]


def _text(option: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{option} {path} is not text in UTF-8") from error


def _key(path: Path) -> str:
    """The key's line; a private key is refused before it leaves the machine."""
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if "PRIVATE KEY" in text:
        raise click.UsageError(f"--ssh-key {path} is a private key; give {path}.pub")
    if "\n" in text or " " not in text:
        raise click.UsageError(f"--ssh-key {path} is not one public key in OpenSSH's form")
    return text


def _label(text: str) -> tuple[str, str]:
    key, given, value = text.partition("=")
    if not given or not key:
        raise ValueError(f"{text!r} is not KEY=VALUE")
    return key, value


def _checked(option: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise click.UsageError(f"{option} {text}: {error}") from error
