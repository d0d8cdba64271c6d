#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install what is missing: Debian packages, then the Python environment in .venv. Safe and quick to repeat.
#   tools/install.sh runtime    what the demo and the lab need
#   tools/install.sh dev        and what the tests need
#   tools/install.sh bench      what the demo and the benchmark need, the alternatives included
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv=$here/.venv
what=${1:-runtime}

fail() { echo "install: $*" >&2; exit 1; }
say() { echo "install: $*"; }

case $what in
    runtime|dev|bench) ;;
    *) fail "'$what' is not known; allowed: runtime, dev, bench" ;;
esac

# --- the machine: a command that is missing, and the Debian package that has it ---

needed='ovs-vswitchd:openvswitch-switch ovsdb-server:openvswitch-switch ovs-ofctl:openvswitch-switch
    ip:iproute2 ethtool:ethtool ping:iputils-ping tcpdump:tcpdump tshark:tshark'
if [ "$what" = dev ]; then
    needed="$needed curl:curl openssl:openssl chromium:chromium mn:mininet iperf:iperf ffmpeg:ffmpeg smcrouted:smcroute nft:nftables"
fi
if [ "$what" = bench ]; then
    needed="$needed smcrouted:smcroute nft:nftables iperf:iperf ffmpeg:ffmpeg"
fi

find_python() {
    for candidate in "$venv/bin/python" /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c '
import sys
sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

packages=
for pair in $needed; do
    package=${pair#*:}
    if ! command -v "${pair%%:*}" >/dev/null 2>&1; then
        case " $packages " in *" $package "*) ;; *) packages="$packages $package" ;; esac
    fi
done
python=$(find_python) || python=
if [ -z "$python" ]; then
    packages="$packages python3 python3-venv"
elif [ ! -x "$venv/bin/python" ] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    packages="$packages python3-venv"
fi

if [ -n "$packages" ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        fail "this is no Debian; install by hand what these Debian packages have:$packages"
    fi
    [ "$(id -u)" -eq 0 ] || fail "not root; run: sudo apt-get install$packages"
    say "installing Debian packages:$packages"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086  # a list of words
    if ! apt-get install -y -q --no-install-recommends $packages; then
        # The package lists may be old, or not be there at all.
        apt-get update -q || fail "apt-get update failed (above)"
        # shellcheck disable=SC2086
        apt-get install -y -q --no-install-recommends $packages || fail "apt-get install$packages failed (above)"
    fi
    python=$(find_python) || fail "Python 3.11 or newer is needed; $(python3 --version 2>&1 || echo 'no python3') is here"
fi

# --- the Python environment ---

if [ ! -x "$venv/bin/python" ] || [ ! -x "$venv/bin/pip" ]; then
    say "creating .venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" || fail "$python could not create .venv (above)"
fi

# install NAME FILE...: pip, unless the last time was with the same files and the same Python.
install_requirements() {
    stamp=$venv/.installed-$1
    shift
    wanted=$( ("$venv/bin/python" --version; cd "$here/requirements" && sha256sum "$@") )
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return 0
    fi
    for file in "$@"; do
        say "installing requirements/$file"
        # Without isolation: Ryu 4.34 builds with the setuptools of build.txt, not with the newest.
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --root-user-action ignore \
            --no-build-isolation --require-hashes -r "$here/requirements/$file" \
            || fail "pip could not install requirements/$file (above)"
    done
    echo "$wanted" >"$stamp"
}

install_requirements runtime build.txt runtime.txt
case $what in
    dev) install_requirements dev dev.txt ;;
    bench) install_requirements bench bench.txt ;;
esac
