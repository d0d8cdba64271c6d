#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every test: those without a lab side by side, then labs one after the other.
# The containers need an engine. Where none answers, one is started while the first tests run, and stopped at the end,
# however that comes; where none can be had, the tests of containers are skipped with the reason.
set -eu
cd -- "$(dirname -- "$0")/.."
pytest=${PYTEST:-.venv/bin/pytest}

notes=$(mktemp -d)
bringing=
started=

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

tools/engine.sh answers || started=yes
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
