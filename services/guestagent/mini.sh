#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The guest agent of guests without Python: the same protocol in shell, of busybox or bash, with awk, sed, tr and ip.
# Call: sh mini.sh PORT [AGENT], which waits for the port and says that it is AGENT.
# Guests may be emulated, where a process costs 10 ms: files are read by `read`, and what stays isn't asked again.
port=$1
agent=${2:-innkeeper-mini/1}
cr=$(printf '\r')

# Text as it may stand between the quotes of a JSON string; control characters are left out.
text() {
    case $1 in
    *[!A-Za-z0-9._-]*) printf '%s' "$1" | tr -d '\000-\037\177' | sed 's/\\/\\\\/g; s/"/\\"/g' ;;
    *) printf '%s' "$1" ;;
    esac
}

say() { printf '%s\n' "$1" >&3; }

read -r boot </proc/sys/kernel/random/boot_id

system() {
    name=$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release 2>/dev/null | tr -d '"'"'" | head -n 1)
    text "${name:-mini}"
}

# There isn't a program of that name everywhere.
host() {
    read -r name </proc/sys/kernel/hostname
    text "$name"
}

hello() {
    say "{\"type\":\"hello\",\"agent\":\"$agent\",\"boot_id\":\"$boot\",\"hostname\":\"$(host)\",\"os\":\"$(system)\"}"
}

# Addresses of one link as a JSON list; IPv6 link-local ones, which every link has, left out.
addresses() {
    ip -o addr show dev "$1" 2>/dev/null | awk '
        { for (i = 1; i < NF; i++) if ($i == "inet" || $i == "inet6") address = $(i + 1)
          if (address ~ /^[fF][eE]80:/) next
          if (address !~ /\//) address = address (address ~ /:/ ? "/128" : "/32")
          printf "%s\"%s\"", sep, address; sep = "," }'
}

interfaces() {
    sep=
    for path in /sys/class/net/*; do
        link=${path##*/}
        [ "$link" = lo ] || [ ! -r "$path/mtu" ] && continue
        flags=0 mac='' mtu=0
        read -r flags <"$path/flags"
        [ $((flags & 1)) -eq 1 ] && up=true || up=false
        read -r mac 2>/dev/null <"$path/address"
        [ ${#mac} -eq 17 ] || mac=
        read -r mtu <"$path/mtu"
        printf '%s{"name":"%s","mac":"%s","mtu":%s,"up":%s,"addresses":[%s]}' \
            "$sep" "$(text "$link")" "$mac" "$mtu" "$up" "$(addresses "$link")"
        sep=,
    done
}

# Routes by way of a router, both families. One with several routers is a line of its own and one for each of them.
routes() {
    { ip -4 route show; ip -6 route show; } 2>/dev/null | awk '
        { via = dev = metric = ""
          for (i = 1; i < NF; i++) {
              if ($i == "via") via = $(i + 1)
              if ($i == "dev") dev = $(i + 1)
              if ($i == "metric") metric = $(i + 1) }
          if ($1 != "nexthop") to = $1
          if (via !~ /^[0-9a-fA-F:.]+$/) next
          if (to == "default") to = via ~ /:/ ? "::/0" : "0.0.0.0/0"
          if (to !~ /\//) to = to (to ~ /:/ ? "/128" : "/32")
          gsub(/["\\]/, "", dev)
          printf "%s{\"to\":\"%s\",\"via\":\"%s\",\"dev\":\"%s\"", sep, to, via, dev
          if (metric ~ /^[0-9]+$/) printf ",\"metric\":%s", metric
          printf "}"; sep = "," }'
}

dns() {
    awk '$1 == "nameserver" && $2 ~ /^[0-9a-fA-F:.]+$/ { printf "%s\"%s\"", sep, $2; sep = "," }' /etc/resolv.conf 2>/dev/null
}

network() { printf '"interfaces":[%s],"routes":[%s],"dns":[%s]' "$(interfaces)" "$(routes)" "$(dns)"; }

# Changes whenever an address, a route, a link's state or a name server does; one process.
trace() {
    set -- /proc/net/fib_trie /proc/net/route /proc/net/if_inet6 /etc/resolv.conf
    cat "$@" /sys/class/net/*/flags /sys/class/net/*/mtu /sys/class/net/*/address 2>/dev/null
    while read -r to bits _ _ via metric _ _ _ link; do # the others count what uses the route
        echo "$to/$bits $via $metric $link"
    done 2>/dev/null </proc/net/ipv6_route
}

# Taken before the look itself, so that a change in between is seen the next time.
look() {
    seen=$(trace)
    [ "$seen" = "$before" ] && return
    before=$seen
    reported=$(network)
}

report() {
    look
    say "{\"type\":\"report\",\"boot_id\":\"$boot\",\"hostname\":\"$(host)\",$reported}"
}

beat() {
    read -r up _ </proc/uptime
    say "{\"type\":\"heartbeat\",\"uptime_s\":$up}"
    read -r load _ </proc/loadavg
    memory=$(awk '/^MemTotal:/ { total = $2 } /^MemAvailable:/ { free = $2 }
        END { printf "\"memory_total_mib\":%d,\"memory_free_mib\":%d", total / 1024, free / 1024 }' /proc/meminfo)
    say "{\"type\":\"load\",\"load1\":$load,$memory,\"disks\":[]}"
}

seconds() { read -r now _ </proc/uptime; echo "${now%%.*}"; }

# Writing blocks while no host listens; reading then ends at once, so an empty answer is followed by a pause.
while :; do
    # What isn't there yet would become a file.
    if [ -c "$port" ] && exec 3<>"$port"; then
        hello
        report
        beat_at=0
        while :; do
            began=$(seconds)
            if [ "$began" -ge "$beat_at" ]; then
                beat
                beat_at=$((began + 10))
            fi
            line=
            if read -r -t 5 line <&3; then
                case ${line%"$cr"} in *'"ask"'*) hello; report ;; esac
            else
                [ $(($(seconds) - began)) -ge 1 ] || sleep 1
                [ -e "$port" ] || break
            fi
            told=$reported
            look
            [ "$reported" = "$told" ] || report
        done
        exec 3>&-
    fi
    sleep 1
done
