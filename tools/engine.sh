#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A container engine for docker-compose.yml: the one that is there, or Docker from Debian's packages, started here.
#   tools/engine.sh up      prints what to put into the environment: eval "$(tools/engine.sh up)"
#   tools/engine.sh answers exit code 0: one answers, so that `up` would start none
#   tools/engine.sh killed  exit code 0: the one that was started here was killed, and something of it is left
#   tools/engine.sh prepare as up, and builds the image of docker-compose.yml
#   tools/engine.sh compose prints the command that reads docker-compose.yml: 'docker compose' or 'docker-compose'
#   tools/engine.sh compose ARGUMENT...     runs it at the engine that answers, the one that was started here included
#   tools/engine.sh down    stops the one that was started here, or puts away what is left of it; its images stay
# The engine that is started here leaves the host's packet filter, forwarding and interfaces as they are: the domain's
# networks are bridges that nothing has to be routed between, and a published port is served by docker-proxy.
# Its files: CASTOVER_ENGINE_RUN (/run/castover-engine), CASTOVER_ENGINE_DATA (/var/lib/castover-engine), which is large.
# Where no image registry can be reached, the base image is made of Debian's packages (debootstrap). Needs root.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
run=${CASTOVER_ENGINE_RUN:-/run/castover-engine}
data=${CASTOVER_ENGINE_DATA:-/var/lib/castover-engine}
socket=unix://$run/docker.sock
base=${BASE_IMAGE:-debian:bookworm-slim}
suite=${base#*:}
suite=${suite%-slim}

fail() { echo "engine: $*" >&2; exit 1; }
say() { echo "engine: $*" >&2; }
answers() { docker info >/dev/null 2>&1; }
ours_answers() { DOCKER_HOST=$socket docker info >/dev/null 2>&1; }
use_ours() {
    DOCKER_HOST=$socket
    # Builds reach what this machine reaches, proxies and registries on it included.
    BUILD_NETWORK=host
    export DOCKER_HOST BUILD_NETWORK
}
compose() { if docker compose version >/dev/null 2>&1; then echo docker compose; else echo docker-compose; fi; }

install_packages() {
    missing=
    for pair in dockerd:docker.io docker:docker.io docker-compose:docker-compose debootstrap:debootstrap iptables:iptables ip:iproute2; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || fail "no engine answers, and this is no Debian; install by hand:$missing"
    say "installing Debian packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086  # a list of words
    apt-get install -y -q --no-install-recommends $missing >&2 || {
        apt-get update -q >&2 || fail "apt-get update failed (above)"
        # shellcheck disable=SC2086
        apt-get install -y -q --no-install-recommends $missing >&2 || fail "apt-get install$missing failed (above)"
    }
}

number() { cat "$1" 2>/dev/null || true; }

# Whether a process runs and was given this word. One that has ended, and that nobody has asked about, has no words any more.
has_word() { [ -n "$1" ] && grep -qzxF -e "$2" "/proc/$1/cmdline" 2>/dev/null; }

# Of the engine that was started here. A former one that was killed has left its number, which may be somebody else's now.
runs() { has_word "$(number "$run/dockerd.pid")" "$run/dockerd.pid"; }

# What looks after its containers: one process each. (grep reads the word: it has none that it would find.)
shims() {
    echo "$run/exec/containerd/containerd.sock" | grep -lzxF -f - /proc/[0-9]*/cmdline 2>/dev/null | tr -cd '0-9\n' || true
}

# The innermost first.
mounts() {
    awk -v run="$run/" -v data="$data/" 'index($5, run) == 1 || index($5, data) == 1 { print $5 }' /proc/self/mountinfo \
        | sort -r
}

was_killed() { ! runs && { [ -e "$run/dockerd.pid" ] || [ -n "$(shims)" ] || [ -n "$(mounts)" ]; }; }

# within SECONDS COMMAND...: whether the command succeeds before they have passed.
within() {
    tries=$(($1 * 5))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.2
    done
}
has_ended() { ! runs; }
without_shims() { [ -z "$(shims)" ]; }

# What an engine that does not run any more has left: nothing, when it was asked to end.
put_away() {
    for shim in $(shims); do
        # Its children are the first processes of containers; with them end all others there.
        for process in $(cat /proc/"$shim"/task/*/children 2>/dev/null) "$shim"; do
            kill -KILL "$process" 2>/dev/null || true
        done
    done
    within 10 without_shims || say "these do not end: $(shims)"
    for place in $(mounts); do
        umount "$place" 2>/dev/null || umount --lazy "$place" || say "still mounted: $place"
    done
    # Its networks' bridges, by its own notes of them, and links to containers that had not come to have theirs.
    for bridge in $(grep -aohE 'br-[0-9a-f]{12}' "$data/data/network/files/local-kv.db" 2>/dev/null | sort -u); do
        for port in /sys/class/net/"$bridge"/brif/*; do
            [ ! -e "$port" ] || ip link delete "${port##*/}" || true
        done
        ! ip link show "$bridge" >/dev/null 2>&1 || ip link delete "$bridge"
    done
    rm -f "$run/dockerd.pid" "$run/docker.sock" "$run/exec/containerd/containerd.pid"
}

start_engine() {
    mkdir -p "$run" "$data"
    if runs; then
        within 60 answers || fail "dockerd runs (process $(number "$run/dockerd.pid")) and does not answer; tools/engine.sh down"
        return 0
    fi
    # Else it would take what has the number now, a process that has ended included, for itself.
    ! was_killed || put_away
    say "starting dockerd, log in $data/dockerd.log"
    # Nothing is handed down: a lock that the caller holds would be held for as long as the engine runs.
    # --bridge=none removes a docker0 that is there: only where it is nobody's.
    set -- --iptables=false --ip-forward=false
    ip link show docker0 >/dev/null 2>&1 || set -- "$@" --bridge=none
    nohup dockerd "$@" \
        --data-root "$data/data" --exec-root "$run/exec" --host "$socket" --pidfile "$run/dockerd.pid" \
        </dev/null >"$data/dockerd.log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
    started=$!
    tries=0
    until answers; do
        kill -0 "$started" 2>/dev/null || fail "dockerd has ended: $(tail -n 3 "$data/dockerd.log")"
        tries=$((tries + 1))
        [ "$tries" -lt 120 ] || fail "dockerd does not answer after a minute: $(tail -n 3 "$data/dockerd.log")"
        sleep 0.5
    done
}

make_base_image() {
    docker image inspect "$base" >/dev/null 2>&1 && return 0
    timeout 60 docker pull --quiet "$base" >&2 && return 0
    say "$base cannot be pulled: making it of Debian's packages"
    tree=$data/base
    rm -rf "$tree"
    debootstrap --variant=minbase "$suite" "$tree" >"$data/debootstrap.log" 2>&1 \
        || fail "debootstrap failed: $(tail -n 3 "$data/debootstrap.log")"
    # What this machine trusts, pip in the image shall trust, under a name that no package overwrites.
    certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
    set --
    if [ -r "$certificates" ]; then
        mkdir -p "$tree/etc/ssl"
        cp "$certificates" "$tree/etc/ssl/host.crt"
        set -- --change "ENV PIP_CERT=/etc/ssl/host.crt"
    fi
    tar -C "$tree" -c . | docker import "$@" - "$base" >&2
    rm -rf "$tree"
}

up() {
    ! answers || return 0
    if ! ours_answers; then
        [ "$(id -u)" -eq 0 ] || fail "no engine answers, and starting one needs root"
        install_packages
        # Where services are started by the system, that of the package runs now.
        ! answers || return 0
        use_ours
        start_engine
    fi
    use_ours
    make_base_image
    echo "export DOCKER_HOST=$DOCKER_HOST BUILD_NETWORK=$BUILD_NETWORK"
}

stop_engine() {
    # The bridges of networks that nobody has removed: dockerd would leave them, and makes them anew when it comes back.
    networks=$(DOCKER_HOST=$socket timeout 20 docker network ls --quiet --filter driver=bridge 2>/dev/null) || networks=
    process=$(number "$run/dockerd.pid")
    kill "$process" 2>/dev/null || true
    if ! within 60 has_ended; then
        say "it does not end: killed"
        kill -KILL "$process" 2>/dev/null || true
        within 10 has_ended || fail "process $process cannot be ended"
    fi
    # It leaves the network namespace that it ran in mounted.
    put_away
    for network in $networks; do
        ! ip link show "br-$network" >/dev/null 2>&1 || ip link delete "br-$network"
    done
}

run_compose() {
    if ! answers; then
        ours_answers || fail 'no engine answers; tools/engine.sh up brings one'
        use_ours
    fi
    # shellcheck disable=SC2046  # two words
    exec $(compose) "$@"
}

case ${1:-} in
    up) up ;;
    answers) answers || ours_answers ;;
    killed) was_killed ;;
    prepare)
        up
        cd -- "$(dirname -- "$0")/.."
        # shellcheck disable=SC2046  # two words
        $(compose) build controller >&2 || say "the image cannot be built (above)"
        ;;
    compose)
        shift
        if [ $# -gt 0 ]; then run_compose "$@"; else compose; fi
        ;;
    down)
        if runs; then
            stop_engine
            say "stopped"
        elif was_killed; then
            [ "$(id -u)" -eq 0 ] || fail "to put away what a killed engine has left needs root"
            put_away
            say "it had been killed; what it had left is put away"
        else
            say "none was started here: nothing to do"
        fi
        ;;
    *) echo "usage: tools/engine.sh up|answers|killed|prepare|compose [ARGUMENT...]|down" >&2; exit 2 ;;
esac
