# SPDX-License-Identifier: Apache-2.0
"""The options that describe a vm, shared by `inn vm create` and `inn explain`, and the spec they make."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

import click

from innkeeper.cli.links import link, overlaid

F = TypeVar("F", bound=Callable[..., Any])
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
    click.option("--hostname", metavar="NAME", help="The guest's name; else the vm's."),
    click.option("--user", metavar="NAME", help=f"A login in the guest [default with --ssh-key: {DEFAULT_USER}]."),
    click.option(
        "--ssh-key",
        "ssh_keys",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Public key file of that login.",
    ),
    click.option("--package", "packages", multiple=True, metavar="NAME", help="Install this in the guest."),
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
    return {key: value for key, value in _given("", options).items() if key in DECIDING}


def _given(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The file's values with the options over them."""
    given = {
        "name": name,
        "os": options["os"],
        "flavor": options["flavor"],
        "hostname": options["hostname"],
        "networks": [_checked("--network", link, text) for text in options["networks"]],
        "users": _users(options["user"], options["ssh_keys"]),
        "packages": list(options["packages"]),
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
