# SPDX-License-Identifier: Apache-2.0
"""The script by which vendors' installers tell, in a machine with real virtio-serial ports: one with a host that
listens, one with nobody. What it costs an installation where nobody listens is measured inside."""

from pathlib import Path

from services.common.catalog import template
from services.common.contracts.guest import PORT_NAME
from services.imagebuilder.masters import Master, MasterStore, cpio
from tests.integration.imagebuilder.conftest import Guest

SILENT = "org.innkeeper.silent.0"
# Nothing of the mini guest but its kernel, drivers and busybox.
INIT = f"""#!/bin/sh
export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mkdir -p /run /dev/virtio-ports
while read -r module; do insmod "/modules/$module"; done </modules/order
for name in {PORT_NAME} {SILENT}; do
    tries=0
    until found=$(grep -lx "$name" /sys/class/virtio-ports/*/name) || [ "$tries" -ge 500 ]; do
        tries=$((tries + 1))
        usleep 20000
    done
    found=${{found%/name}}
    ln -s "/dev/${{found##*/}}" "/dev/virtio-ports/$name"
done
now() {{
    read -r up rest </proc/uptime
    echo "${{up%.*}}${{up#*.}}"
}}
sh /tell.sh "loader up" 1 network 3
begun=$(now)
sh /silent.sh packages 15 | cat
phase=$(($(now) - begun))
begun=$(now)
sh /silent.sh installed 100
last=$(($(now) - begun))
printf '{{"type":"took","phase":%s,"last":%s}}\\n' "$phase" "$last" >/dev/virtio-ports/{PORT_NAME}
echo "12:00:00 ERR storage: no disk" >/run/log
sh /tell.sh failed /run/log
poweroff -f
"""


def test_a_port_with_a_listener_is_told_and_one_without_holds_nothing_up(
    tmp_path: Path, store: MasterStore, mini: Master, guests: list[Guest]
) -> None:
    script = template("el", "tell.sh.j2")
    silent = script.replace(PORT_NAME, SILENT)
    assert silent != script
    ours = {"init.sh": INIT, "tell.sh": script, "silent.sh": silent}
    initrd = tmp_path / "initrd"
    archive = cpio.archive({name: cpio.file(text.encode(), 0o755) for name, text in ours.items()})
    initrd.write_bytes(store.path(mini.files["initrd"].sha256).read_bytes() + archive)
    arguments = ["-kernel", str(store.path(mini.files["kernel"].sha256)), "-initrd", str(initrd), "-no-reboot"]
    arguments += ["-append", f"{mini.cmdline} rdinit=/init.sh"]
    arguments += ["-chardev", f"socket,id=silent,path={tmp_path / 'silent'},server=on,wait=off"]
    arguments += ["-device", f"virtserialport,chardev=silent,name={SILENT}"]
    guest = Guest(tmp_path, arguments)
    guests.append(guest)
    first, second, took = guest.until("took", timeout=60)
    assert (first["name"], second["name"], second["percent"]) == ("loader up", "network", 3)
    # Hundredths of a second. A phase is told in the background, the last word for 5 s at most.
    assert took["phase"] < 300
    assert 400 < took["last"] < 2000
    failed = guest.message("failed")
    assert (failed["phase"], failed["log"].splitlines()[0]) == ("installed", "12:00:00 ERR storage: no disk")
