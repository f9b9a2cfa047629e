#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What udhcpc calls when a lease comes or goes. TAKE_ROUTE=0: the server's routes are not taken.
link=$interface
# Links keep their order where two servers offer a default route.
metric=$((1000 + $(cat "/sys/class/net/$link/ifindex")))
case $1 in
deconfig)
    [ -e "/run/lease.$link" ] && ip addr del "$(cat "/run/lease.$link")" dev "$link"
    rm -f "/run/lease.$link" "/run/dns/$link"
    ;;
bound | renew)
    [ "$(cat "/run/lease.$link" 2>/dev/null)" = "$ip/$mask" ] || ip addr add "$ip/$mask" dev "$link"
    echo "$ip/$mask" >"/run/lease.$link"
    if [ "$TAKE_ROUTE" = 1 ]; then
        for via in $router; do
            ip route replace default via "$via" dev "$link" metric "$metric"
            break
        done
    fi
    : >"/run/dns/$link"
    for server in $dns; do echo "nameserver $server" >>"/run/dns/$link"; done
    [ -n "$domain" ] && echo "search $domain" >>"/run/dns/$link"
    ;;
esac
cat /run/dns/* >/etc/resolv.conf 2>/dev/null
