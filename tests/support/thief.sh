#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A guest that is up to no good: the mini guest's kernel with this as its first process. Round after round, each of its
# cards sends what it may send and then what it may not. eth0: has a static address; eth1: has one on a VLAN; eth2:
# leases one; eth3 and eth4: carry more than plain IPv4.
export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
exec </dev/console >/dev/console 2>&1
while read -r module; do insmod "/modules/$module"; done </modules/order

printf '#!/bin/sh\n[ "$1" = bound ] && echo "$ip" >/leased\n' >/lease
chmod 755 /lease
ip link set lo up

# arping, arp: busybox has more programs than the mini guest has names for.
say() { # CARD FROM TO: a word to everybody, and one to TO, who may answer
    busybox arping -q -c 1 -w 1 -U -s "$2" -I "$1" "$3" &
    ping -q -c 1 -W 1 -I "$2" "$3" >/dev/null
}

steal() { # the same where no answer is awaited
    say "$@" &
    usleep 300000
}

up() { # CARD ADDRESS
    ip link set "$1" up
    ip addr add "$2/24" dev "$1"
}

down() { # CARD
    ip addr flush dev "$1"
    ip link set "$1" down
}

as_another() { # CARD MAC ADDRESS TO: the same under another MAC; who TO is must not be asked first
    own=$(cat "/sys/class/net/$1/address")
    down "$1"
    ip link set "$1" address "$2"
    up "$1" "$3"
    busybox arp -i "$1" -s "$4" 52:54:00:77:77:77
    steal "$1" "$3" "$4"
    down "$1"
    ip link set "$1" address "$own"
}

round() { # CARD ADDRESS STOLEN TO
    up "$1" "$2"
    say "$1" "$2" "$4"
    up "$1" "$3"
    steal "$1" "$3" "$4"
    as_another "$1" 52:54:00:66:66:66 "$2" "$4"
}

ip link set eth2 up
udhcpc -f -n -q -t 5 -T 1 -A 1 -i eth2 -s /lease
up eth1 10.80.0.9
while :; do
    say eth1 10.80.0.9 10.80.0.2
    round eth0 10.79.0.9 10.79.0.66 10.79.0.1
    round eth2 "$(cat /leased)" 10.77.0.66 10.77.0.1
    # A bond's cards all have the MAC of its first one, and its frames leave by either.
    as_another eth4 "$(cat /sys/class/net/eth3/address)" 10.78.0.14 10.78.0.1
    as_another eth4 52:54:00:66:66:66 10.78.0.14 10.78.0.1
done
