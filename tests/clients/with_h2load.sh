#!/usr/bin/env bash
# h2load: another HTTP/2 stack, many streams at once, every answer counted.
set -uo pipefail

[ $# = 1 ] || { echo "usage: $0 BASE_URL" >&2; exit 2; }
web="${1%/}/web/v1/tenant"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
failed=0

load() { # load NAME REQUESTS H2LOAD_ARGUMENT …
    local name=$1 requests=$2
    shift 2
    if timeout 60 h2load -n "$requests" -c 4 "$@" >"$said" 2>&1 &&
        grep -qE "^requests: .* $requests succeeded, 0 failed, 0 errored, 0 timeout" "$said" &&
        grep -qE "^status codes: $requests 2xx, 0 3xx, 0 4xx, 0 5xx" "$said"; then
        echo "ok $name"
    else
        failed=1
        echo "FAILED $name: $(grep -E '^(requests|status codes)' "$said" || tail -n 2 "$said")" | tr '\n' ' '
        echo
    fi
}

body=$(mktemp)
trap 'rm -f "$said" "$body"' EXIT
printf '{"order":17}' >"$body"
load h2c 2000 -m 20 "$web/items?page=3"
load h2c-post 500 -m 20 -d "$body" -H 'Content-Type: application/json' "$web/echo"
load h2c-download 16 -m 4 "$web/download?bytes=1048576"
load http1 1000 --h1 "$web/items?page=3"
exit $failed
