#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Pin requirements/*.in anew, with hashes and without the address of any package index: tools/lock.sh [NAME...]
# A pin that a .txt has already stays unless its .in forbids it. Needs pip-compile (pip-tools) on the PATH.
set -eu
cd -- "$(dirname -- "$0")/../requirements"
[ $# -gt 0 ] || set -- build runtime dev bench
for name; do
    pip-compile --quiet --generate-hashes --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
        --strip-extras --allow-unsafe --output-file "$name.txt" "$name.in"
done
