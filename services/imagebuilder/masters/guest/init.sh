#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The mini guest's first and only process that is not its agent: drivers, the seed, the network, the power button.
export PATH=/bin HOME=/ TERM=linux
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
exec </dev/console >/dev/console 2>&1
mkdir -p /dev/pts /run/dns /seed /etc
echo 'PRETTY_NAME="Innkeeper mini"' >/etc/os-release

while read -r module; do
    insmod "/modules/$module" || echo "mini: no driver $module"
done </modules/order

# The seed is the disc whose volume is called CIDATA; that name begins at byte 32808 = 4101 * 8.
find_seed() {
    for device in /dev/sr[0-9]; do
        [ -b "$device" ] || continue
        case $(dd if="$device" bs=8 skip=4101 count=1 2>/dev/null) in CIDATA*) return 0 ;; esac
    done
    return 1
}
tries=0
until find_seed || [ "$tries" -ge 500 ]; do
    tries=$((tries + 1))
    usleep 20000
done
if mount -t iso9660 -o ro "$device" /seed; then
    cat /seed/innkeeper/mini.net >/run/mini.net
    umount /seed
else
    echo "mini: no seed found"
    : >/run/mini.net
fi

# Two rounds, since a name may be another link's until that one has moved.
number=0
while read -r verb name mac; do
    [ "$verb" = link ] || continue
    number=$((number + 1))
    for path in /sys/class/net/*; do
        [ "$(cat "$path/address")" = "$mac" ] || continue
        ip link set dev "${path##*/}" name "ik$number"
        echo "$name" >"/run/ik$number"
    done
done </run/mini.net
for file in /run/ik*; do
    [ -e "$file" ] && ip link set dev "${file##*/}" name "$(cat "$file")"
done

ip link set dev lo up
while read -r verb a b c d; do
    case $verb in
    hostname) hostname "$a" ;;
    mtu) ip link set dev "$a" mtu "$b" ;;
    ra) echo "$b" >"/proc/sys/net/ipv6/conf/$a/accept_ra" ;;
    up) ip link set dev "$a" up ;;
    address) ip addr add "$b" dev "$a" ;;
    route)
        case $b in *:*) family=-6 ;; *) family=-4 ;; esac
        if [ "$d" = 0 ]; then
            ip "$family" route add "$b" via "$c" dev "$a"
        else
            ip "$family" route add "$b" via "$c" dev "$a" metric "$d"
        fi
        ;;
    dns) echo "nameserver $a" >>/run/dns/0-static ;;
    search) echo "search $a" >>/run/dns/0-static ;;
    dhcp) TAKE_ROUTE=$b udhcpc -f -S -i "$a" -t 6 -T 1 -A 3 -x "hostname:$(hostname)" -s /bin/lease >/dev/null 2>&1 & ;;
    esac
done </run/mini.net
[ -e /run/dns/0-static ] && cat /run/dns/0-static >/etc/resolv.conf

# The power button: `stop` is one press.
acpid -c /etc/acpi -l /dev/null

echo "mini: up"
while :; do
    for path in /sys/class/virtio-ports/*; do
        [ "$(cat "$path/name" 2>/dev/null)" = org.innkeeper.guest.0 ] && sh /innkeeper/mini.sh "/dev/${path##*/}"
    done
    sleep 1
done
