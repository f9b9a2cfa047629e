#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The first and only process of an installation: writes the system's image to the first disk, lays the answers into it,
# and restarts the machine from there. The disk can't be booted before everything is on it: its first MiB comes last.
export PATH=/bin HOME=/ TERM=linux
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
exec </dev/console >/dev/console 2>&1
mkdir -p /run /medium /image /target

phase=start
log() { echo "install: $1"; }
# Text as it may stand between the quotes of a JSON string.
text() { printf '%s' "$1" | tr -d '\000-\010\013-\037\177' | sed 's/\\/\\\\/g; s/"/\\"/g' | awk '{ printf "%s%s", n, $0; n = "\\n" }'; }
say() { printf '%s\n' "$1" >&3; }
tell() {
    phase=$1
    log "$1"
    say "{\"type\":\"phase\",\"name\":\"$1\",\"percent\":$2}"
}
fail() {
    log "failed in $phase: $1"
    say "{\"type\":\"failed\",\"phase\":\"$phase\",\"log\":\"$(text "$1
$(dmesg | tail -n 40 | cut -c 1-160)")\"}"
    # Whoever heard it takes the machine away; until then its screen and console can be looked at.
    while :; do sleep 3600; done
}

while read -r module; do
    insmod "/modules/$module" || log "no driver $module"
done </modules/order

# What is said waits in a pipe until somebody listens: telling never holds up the work.
find_port() {
    for path in /sys/class/virtio-ports/*; do
        [ "$(cat "$path/name" 2>/dev/null)" = org.innkeeper.guest.0 ] && port=/dev/${path##*/} && return 0
    done
    return 1
}
mkfifo /run/say
tries=0
until find_port || [ "$tries" -ge 100 ]; do
    tries=$((tries + 1))
    usleep 20000
done
[ -n "$port" ] || port=/dev/null
cat </run/say >"$port" &
teller=$!
exec 3<>/run/say
tell "loader up" 1

# A volume's name begins at byte 32808 = 4101 * 8.
find_medium() {
    for device in /dev/sr[0-9] /dev/sd[a-z]; do
        [ -b "$device" ] || continue
        [ "$(dd if="$device" bs=8 skip=4101 count=2 2>/dev/null | cut -c 1-9)" = INNKEEPER ] && return 0
    done
    return 1
}
tries=0
until find_medium || [ "$tries" -ge 500 ]; do
    tries=$((tries + 1))
    usleep 20000
done
find_medium || fail "the installation medium is not to be found: no disc is labelled INNKEEPER"
mount -t iso9660 -o ro "$device" /medium || fail "the installation medium $device can't be read"
mount -t squashfs -o ro,loop /medium/innkeeper/disk.squashfs /image || fail "the image on the medium is damaged"
[ -d /answers/seed ] || fail "the medium carries no answers: it is a master, not made for a machine"

tell "partitioning" 5
for disk in /dev/vda /dev/sda /dev/nvme0n1 none; do
    [ -b "$disk" ] && break
done
[ "$disk" = none ] && fail "there is no disk to install to"
size=$(blockdev --getsize64 "$disk")
read -r needed </image/size
[ "$size" -ge "$needed" ] || fail "the disk $disk has $size bytes; the system needs $needed"

tell "packages" 8
total=$(awk '{ n += $2 } END { print n }' /image/extents)
done=0 told=0
while read -r start count; do
    dd if=/image/disk of="$disk" bs=1M skip="$start" seek="$start" count="$count" conv=notrunc 2>/run/dd ||
        fail "writing $disk: $(cat /run/dd)"
    done=$((done + count))
    percent=$((8 + 72 * done / total))
    if [ "$percent" -ge $((told + 10)) ]; then
        told=$percent
        tell "packages" "$percent"
    fi
done </image/extents

tell "bootloader" 85
read -r offset </image/root
loop=$(losetup -f) && losetup -o "$offset" "$loop" "$disk" && mount -t ext4 "$loop" /target ||
    fail "the file system written to $disk can't be mounted"
# Read by cloud-init once the network is up, which is set up without it.
seed=/target/var/lib/cloud/seed/nocloud-net
mkdir -p "$seed" && chmod 0700 "$seed" && cp /answers/seed/* "$seed/" && chmod 0600 "$seed"/* ||
    fail "the answers can't be laid down"
if [ -d /answers/target ]; then
    cp -R /answers/target/. /target/ || fail "the system's own files can't be laid down"
fi
umount /target && losetup -d "$loop" || fail "the file system of $disk stays busy"
sync
# The root is the table's first entry and the last on the disk: it gets all the room there is, and the system needn't
# find that out at its first boot. Sectors are counted in 32 bits there.
sectors=$((size / 512 - offset / 512))
[ "$sectors" -le 4294967295 ] || sectors=4294967295
count=
for shift in 0 8 16 24; do
    count="$count\\$(printf '%03o' $((sectors >> shift & 255)))"
done
dd if=/image/disk of=/run/head bs=1M count=1 2>/run/dd && [ "$(dd if=/run/head bs=1 skip=450 count=1 2>/dev/null)" = "$(printf '\203')" ] &&
    printf "$count" | dd of=/run/head bs=1 seek=458 conv=notrunc 2>/run/dd &&
    dd if=/run/head of="$disk" bs=1M conv=notrunc,fsync 2>/run/dd || fail "writing the boot loader: $(cat /run/dd)"
sync
tell "installed" 100
# The last words are out when the pipe's reader has ended; a host that doesn't listen isn't waited for.
exec 3>&-
tries=0
while kill -0 "$teller" 2>/dev/null && [ "$tries" -lt 100 ]; do
    tries=$((tries + 1))
    usleep 50000
done
reboot -f
