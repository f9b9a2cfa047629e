# SPDX-License-Identifier: Apache-2.0
"""Where the image builder keeps files under its state directory, and the URLs hosts fetch them from."""

import re
from dataclasses import dataclass
from pathlib import Path

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
SEED = "seed.iso"
INSTALL = "install.qcow2"


@dataclass(frozen=True)
class Places:
    """masters/<sha256> and media/<sha256> are shared; images/<vm>/<name> belong to one vm."""

    state_dir: Path
    images_url: str

    def media(self, sha256: str) -> Path:
        """The medium with this sha256."""
        return self.state_dir / "media" / sha256

    def upload(self, media_id: str) -> Path:
        """What has come so far of a medium that is being sent to us."""
        return self.state_dir / "media" / "uploads" / f"{media_id}.part"

    def image(self, vm_id: str) -> Path:
        """The folder of what was made for one vm."""
        return self.state_dir / "images" / vm_id

    def shared_url(self, sha256: str) -> str:
        """The URL of a master or a medium, without its token."""
        return f"{self.images_url.rstrip('/')}/artifacts/{sha256}"

    def image_url(self, vm_id: str, name: str) -> str:
        """The URL of one vm's file, without its token."""
        return f"{self.images_url.rstrip('/')}/images/{vm_id}/{name}"

    def find(self, url_path: str) -> Path | None:
        """The file a request's path stands for, by ids and plain names only; None when there is none."""
        match url_path.split("/"):
            case ["", "artifacts", sha256] if _SHA256.fullmatch(sha256):
                candidates = [self.state_dir / "masters" / sha256, self.media(sha256)]
            case ["", "images", vm_id, name] if _ID.fullmatch(vm_id) and _NAME.fullmatch(name):
                candidates = [self.image(vm_id) / name]
            case _:
                return None
        return next((path for path in candidates if path.is_file()), None)

    def overlay(self, url_path: str) -> Path | None:
        """The overlay <name>.qcow2 whose whole image a request for <name>.iso means; None when there is none."""
        match url_path.split("/"):
            case ["", "images", vm_id, name] if _ID.fullmatch(vm_id) and _NAME.fullmatch(name):
                candidate = self.image(vm_id) / f"{name.removesuffix('.iso')}.qcow2"
                return candidate if name.endswith(".iso") and candidate.is_file() else None
        return None
