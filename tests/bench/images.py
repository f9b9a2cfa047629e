# SPDX-License-Identifier: Apache-2.0
"""One vm's installation image against what others do: an xorriso replay, and dd; and its stream against a file's.

A build is everything from the request's plain values on: the typed model loaded and validated, a real row's templates
rendered, packed and written as an overlay. The medium is synthetic, made once and kept in the temporary directory.
"""

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from services.common.contracts.codec import dump
from services.common.runtime.signing import sign_url
from services.imagebuilder.checksum import sha256_of
from services.imagebuilder.masters import MasterStore
from services.imagebuilder.places import Places
from services.imagebuilder.server import ArtifactServer
from services.imagebuilder.slots.layout import Plan, Recipe
from services.imagebuilder.slots.master import SlottedMaster, ensure_slotted
from tests.bench.figures import percentile, show
from tests.support.bootable import make_medium, xorriso
from tests.support.imaging import new_keys

# As the catalogue's installers have it: a menu that loads the slot, and the slot, both of the master's own.
RECIPE = Recipe(
    "synthetic",
    2,
    (Plan("answers", "/innkeeper/answers.cpio", 256 * 1024),),
    (
        (
            "/boot/grub/grub.cfg",
            "menuentry 'Install' {\n  linux /vmlinuz\n  initrd /initrd.gz /innkeeper/answers.cpio\n}\n",
        ),
    ),
)
_MIB = 1 << 20
_BUFFER = 4 * _MIB


@dataclass(frozen=True)
class Ground:
    """A medium, its master, and the folder images go to."""

    medium: Path
    master: SlottedMaster
    state: Path


def prepare(directory: Path, mib: int) -> Ground:
    """A medium of `mib` MiB, from the temporary directory if an earlier run left it there, and its master."""
    medium = Path(tempfile.gettempdir()) / f"innkeeper-bench-{mib}.iso"
    if not medium.exists():
        draft = directory / medium.name
        make_medium(draft, mib * _MIB, directory)
        shutil.move(draft, medium)
    state = directory / f"state-{mib}"
    digest, _size = sha256_of(medium)
    master = ensure_slotted(MasterStore(state), medium, digest, RECIPE, lambda percent, text: None)
    master.path.read_bytes()  # warm
    (state / "layout.json").write_text(json.dumps(dump(master.layout)))
    return Ground(medium, master, state)


def build(ground: Ground, row: str, count: int, workers: int = 1) -> list[dict[str, Any]]:
    """What each worker said; they begin together."""
    os.sync()
    started = []
    for number in range(workers):
        words = [ground.master.path, ground.state / "layout.json", ground.state, row, number * 1_000_000, count]
        argv = [sys.executable, "-m", "tests.bench.building", *map(str, words)]
        started.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "a worker didn't come up"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [json.loads(process.communicate()[0]) for process in started]
    shutil.rmtree(ground.state / "images")
    return said


def replay_seconds(ground: Ground, directory: Path) -> float:
    """One image by xorriso, as others make it."""
    answer, out = directory / "answer", directory / "replayed.iso"
    answer.write_bytes(bytes(RECIPE.slots[0].size))
    begun = time.perf_counter()
    files = ("-map", str(answer), "/innkeeper/answers.cpio")
    xorriso("-indev", str(ground.medium), "-outdev", str(out), *files, "-boot_image", "any", "replay", "-commit")
    seconds = time.perf_counter() - begun
    out.unlink()
    return seconds


def dd_seconds(ground: Ground, directory: Path) -> float:
    """A plain copy."""
    out = directory / "copied.iso"
    begun = time.perf_counter()
    subprocess.run(["dd", f"if={ground.medium}", f"of={out}", "bs=4M"], check=True, capture_output=True)
    seconds = time.perf_counter() - begun
    out.unlink()
    return seconds


def download_rate(url: str) -> float:
    """MiB a second, read from the socket and thrown away."""
    parts = urlsplit(url)
    buffer, got = bytearray(_BUFFER), 0
    with closing(socket.create_connection((parts.hostname, parts.port or 80))) as connection:
        begun = time.perf_counter()
        request = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        while count := connection.recv_into(buffer):
            assert got or buffer.startswith(b"HTTP/1.1 200"), bytes(buffer[:200])
            got += count
        return got / _MIB / (time.perf_counter() - begun)


def stream_rates(ground: Ground, row: str, directory: Path, pairs: int) -> tuple[list[float], list[float]]:
    """Rates of the spliced image and of the plain master, one after the other, from the same server."""
    keys, places = new_keys(directory), Places(ground.state, "http://x")
    words = [ground.master.path, ground.state / "layout.json", ground.state, row, 0, 1]
    argv = [sys.executable, "-m", "tests.bench.building", *map(str, words)]
    said = subprocess.run(argv, input="go\n", capture_output=True, text=True, check=True).stdout
    vm_id = Path(json.loads(said.splitlines()[-1])["last"]).parent.name
    server = ArtifactServer("127.0.0.1:0", places, keys.command_public_pem).start()
    base, spliced, plain = f"http://127.0.0.1:{server.port}", [], []
    try:
        for _ in range(pairs):
            image = sign_url(f"{base}/images/{vm_id}/install.iso", keys.command_private_pem)
            master = sign_url(f"{base}/artifacts/{ground.master.sha256}", keys.command_private_pem)
            plain.append(download_rate(master))
            spliced.append(download_rate(image))
    finally:
        server.close()
    return spliced, plain


def _ms(seconds: Sequence[float], share: float) -> float:
    return percentile(seconds, share) * 1000


def measure(directory: Path, mib: int, row: str, count: int) -> tuple[dict[str, float], dict[str, Any]]:
    """All figures of this bench."""
    ground, small = prepare(directory, mib), prepare(directory, 16)
    alone = build(ground, row, count)[0]
    on_small = build(small, row, count)[0]
    together = build(ground, row, count, workers=2)
    replays = [replay_seconds(ground, directory) for _ in range(3)]
    copies = [dd_seconds(ground, directory) for _ in range(3)]
    os.sync()
    spliced, plain = stream_rates(ground, row, directory, 5)
    typical = statistics.median(alone["seconds"])
    figures = {
        "build_p99_ms": _ms(alone["seconds"], 0.99),
        "vs_xorriso": statistics.median(replays) / typical,
        "vs_dd": statistics.median(copies) / typical,
        "builds_per_s": 2 * count / max(said["whole"] for said in together),
        "rss_mib": max(said["rss_mib"] for said in (alone, *together)),
        "disk_mib_per_vm": alone["disk_mib"],
        "splice_ratio": statistics.median(spliced) / statistics.median(plain),
    }
    notes = {
        "row": row,
        "iso_mib": mib,
        "build_median_ms": round(typical * 1000, 3),
        "build_cpu_ms": round(alone["cpu"] / count * 1000, 3),
        # What two processes would build a second with both processors to themselves.
        "builds_per_s_of_cpu": round(2 * count / max(said["cpu"] for said in together)),
        "cpu_share": round(sum(said["cpu"] for said in together) / sum(said["whole"] for said in together), 2),
        "build_p99_ms_16_mib_iso": round(_ms(on_small["seconds"], 0.99), 3),
        "build_p99_ms_two_at_once": round(max(_ms(said["seconds"], 0.99) for said in together), 3),
        "xorriso_s": round(statistics.median(replays), 2),
        "dd_s": round(statistics.median(copies), 2),
        "spliced_mib_per_s": round(statistics.median(spliced)),
        "plain_mib_per_s": round(statistics.median(plain)),
    }
    return figures, notes


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--mib", default=2048, show_default=True, help="Size of the synthetic medium.")
@click.option("--row", default="debian-12-installer", show_default=True, help="The catalogue's row that is rendered.")
@click.option("--count", default=2000, show_default=True, help="Builds of each worker.")
def main(as_json: bool, mib: int, row: str, count: int) -> None:
    """Measure and print."""
    directory = Path(tempfile.mkdtemp(prefix="ikb-"))
    try:
        figures, notes = measure(directory, mib, row, count)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    show(figures, as_json, notes)


if __name__ == "__main__":
    main()
