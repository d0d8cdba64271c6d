#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A container engine for docker-compose.yml: the one that is there, or Docker from Debian's packages, started here.
#   tools/engine.sh up      prints what to put into the environment: eval "$(tools/engine.sh up)"
#   tools/engine.sh compose prints the command that reads docker-compose.yml: 'docker compose' or 'docker-compose'
#   tools/engine.sh down    stops the one that was started here; its images stay for the next time
# Where no image registry can be reached, the base image is made of Debian's packages (debootstrap). Needs root.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
run=/run/castover-engine
data=/var/lib/castover-engine
socket=unix://$run/docker.sock
base=${BASE_IMAGE:-debian:bookworm-slim}
suite=${base#*:}
suite=${suite%-slim}

fail() { echo "engine: $*" >&2; exit 1; }
say() { echo "engine: $*" >&2; }
answers() { docker info >/dev/null 2>&1; }

install_packages() {
    missing=
    for pair in dockerd:docker.io docker:docker.io docker-compose:docker-compose debootstrap:debootstrap iptables:iptables; do
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

start_engine() {
    mkdir -p "$run" "$data"
    # What a former one that was killed has left: its number may be somebody else's by now.
    if [ -f "$run/dockerd.pid" ] && [ "$(cat "/proc/$(cat "$run/dockerd.pid")/comm" 2>/dev/null)" != dockerd ]; then
        rm -f "$run/dockerd.pid"
    fi
    say "starting dockerd, log in $data/dockerd.log"
    # Nothing is handed down: a lock that the caller holds would be held for as long as the engine runs.
    nohup dockerd --data-root "$data/data" --exec-root "$run/exec" --host "$socket" --pidfile "$run/dockerd.pid" \
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

case ${1:-} in
    up)
        if ! answers; then
            DOCKER_HOST=$socket
            export DOCKER_HOST
            if ! answers; then
                [ "$(id -u)" -eq 0 ] || fail "no engine answers, and starting one needs root"
                install_packages
                start_engine
            fi
            make_base_image
            # Builds reach what this machine reaches, proxies and registries on it included.
            echo "export DOCKER_HOST=$socket BUILD_NETWORK=host"
        fi
        ;;
    compose)
        if docker compose version >/dev/null 2>&1; then echo docker compose; else echo docker-compose; fi
        ;;
    down)
        if [ -f "$run/dockerd.pid" ] && kill "$(cat "$run/dockerd.pid")" 2>/dev/null; then
            while [ -f "$run/dockerd.pid" ]; do sleep 0.2; done
            say "stopped"
        else
            say "none was started here: nothing to do"
        fi
        ;;
    *) echo "usage: tools/engine.sh up|compose|down" >&2; exit 2 ;;
esac
