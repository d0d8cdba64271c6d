#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every test: those without a lab side by side, then labs one after the other.
# The containers need an engine. Where none answers, the one that was prepared here before is started while the first
# tests run, and stopped at the end, however that comes. To prepare one takes minutes, more than all tests may take: that
# is done on demand (CASTOVER_ENGINE=1). Where there is none, the tests of containers are skipped with the reason.
set -eu
cd -- "$(dirname -- "$0")/.."
pytest=${PYTEST:-.venv/bin/pytest}

started=
tools/engine.sh answers || started=yes
prepared=${CASTOVER_ENGINE_DATA:-/var/lib/castover-engine}/data/image
if [ -n "$started" ] && [ -z "${CASTOVER_ENGINE:-}" ] && [ ! -d "$prepared" ]; then
    CASTOVER_NO_ENGINE="no engine answers, and none was prepared here: CASTOVER_ENGINE=1 make test does it (minutes)"
    export CASTOVER_NO_ENGINE
    "$pytest" -m 'not lab' -n auto
    exec "$pytest" -m lab
fi

notes=$(mktemp -d)
bringing=

clean_up() {
    trap '' INT TERM HUP
    if [ -n "$bringing" ]; then
        # What brings the engine, and all that it waits for; or it alone, when it has not begun its session yet.
        kill -- "-$bringing" 2>/dev/null || kill "$bringing" 2>/dev/null || true
        wait "$bringing" 2>/dev/null || true
    fi
    [ -z "$started" ] || tools/engine.sh down
    rm -rf "$notes"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# In a session of its own: Ctrl-C is for the tests.
setsid tools/engine.sh prepare </dev/null >"$notes/environment" 2>"$notes/log" &
bringing=$!

"$pytest" -m 'not lab' -n auto

if wait "$bringing"; then
    eval "$(cat "$notes/environment")"
else
    cat "$notes/log" >&2
    CASTOVER_NO_ENGINE=$(tail -n 1 "$notes/log")
    export CASTOVER_NO_ENGINE
fi
bringing=
"$pytest" -m lab
