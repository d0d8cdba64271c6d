#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A handover with curl: begin it, follow it to its end.
#   examples/handover.sh MN MAG        for example: examples/handover.sh mn1 mag2
# CASTOVER_URL, CASTOVER_TOKEN and CASTOVER_CA_FILE say where the controller is and how to get in.
# Exit code 0: completed; 1: refused, failed or cancelled; 2: wrong use; 3: no controller answers, or none that curl trusts.
set -eu

if [ $# -ne 2 ]; then
    echo "usage: $0 MN MAG" >&2
    exit 2
fi
url=${CASTOVER_URL:-http://127.0.0.1:8080}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/tag"

api() {
    curl --silent --show-error ${CASTOVER_CA_FILE:+--cacert "$CASTOVER_CA_FILE"} \
        ${CASTOVER_TOKEN:+--header "Authorization: Bearer $CASTOVER_TOKEN"} "$@"
}
# member NAME: the first text member of that name in the JSON on standard input. A real program has jq, or a JSON library.
member() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" | head -n 1; }

# The key makes it one handover, however often the request has to be sent.
key=$(cat /proc/sys/kernel/random/uuid)
status=$(api --retry 3 --request POST --header "Idempotency-Key: \"$key\"" --json "{\"mn_id\": \"$1\", \"new_mag\": \"$2\"}" \
    --output "$work/answer" --write-out '%{http_code}' "$url/v1/handovers") || exit 3
if [ "$status" != 202 ]; then
    echo "refused: $status $(member detail <"$work/answer")" >&2
    exit 1
fi
id=$(sed -n 's/^{"id":"\([^"]*\)".*/\1/p' "$work/answer")
echo "handover $id"

before=
while :; do
    # With the ETag of the last answer: as long as nothing has changed the controller says 304 and no more.
    api --etag-compare "$work/tag" --etag-save "$work/tag" --output "$work/answer" "$url/v1/handovers/$id" || exit 3
    state=$(member state <"$work/answer")
    if [ -n "$state" ] && [ "$state" != "$before" ]; then
        echo "$state"
        before=$state
    fi
    case $state in
        completed) exit 0 ;;
        failed | cancelled) echo "because: $(member error <"$work/answer")" >&2; exit 1 ;;
    esac
    sleep 0.1
done
