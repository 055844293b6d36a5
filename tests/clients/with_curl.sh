#!/usr/bin/env bash
# curl, over HTTP/1.1 and, with prior knowledge, HTTP/2. Debian's has no WebSocket.
set -uo pipefail

[ $# = 1 ] || { echo "usage: $0 BASE_URL" >&2; exit 2; }
web="${1%/}/web/v1/tenant"
large=$((20 << 20))
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# -q before all else: a person's .curlrc is not part of the test.
ask() { curl -q --silent --show-error --noproxy '*' --max-time 30 "$@"; }
# An empty Expect keeps curl from adding its own to large bodies.
quiet() { ask -H 'Expect:' "$@"; }

case_of() { # case_of NAME FUNCTION …: the function says on stderr why it fails
    local name=$1
    shift
    if "$@" 2>"$scratch/why"; then
        echo "ok $name"
    else
        failed=1
        echo "FAILED $name: $(tr '\n' ' ' <"$scratch/why" | tail -c 400)"
    fi
}

has() { # has TEXT FILE
    grep -qF -- "$1" "$2" && return
    echo "there is no $1 in $(head -c 300 "$2")" >&2
    return 1
}

is() { # is FOUND WANTED WHAT
    [ "$1" = "$2" ] && return
    echo "$3 is $1, not $2" >&2
    return 1
}

# The bytes of the portal's downloads: n % 251.
printf "$(printf '\\x%02x' $(seq 0 250))" >"$scratch/block"
while [ "$(stat -c %s "$scratch/block")" -lt $large ]; do
    cat "$scratch/block" "$scratch/block" >"$scratch/twice"
    mv "$scratch/twice" "$scratch/block"
done
head -c $large "$scratch/block" >"$scratch/large"
digest=$(sha256sum <"$scratch/large" | cut -d' ' -f1)

get_json() {
    quiet "$@" -D "$scratch/head" -o "$scratch/body" --fail-with-body "$web/profile" || return
    has '"accountEmail":"admin@example.com"' "$scratch/body" || return
    grep -qi '^content-type: application/json' "$scratch/head" || has 'content-type: application/json' "$scratch/head"
}

post_json() {
    quiet "$@" -o "$scratch/body" --fail-with-body -H 'Content-Type: application/json' \
        -d '{"order":17}' "$web/echo" || return
    has '"body":"{\"order\":17}"' "$scratch/body" && has '"sealed":false' "$scratch/body"
}

change_password() { # change_password FROM TO CURL_ARGUMENT …
    local from=$1 to=$2
    shift 2
    ask "$@" -o "$scratch/body" --fail-with-body -H 'Content-Type: application/json' \
        -d "{\"currentPassword\":\"$from\",\"newPassword\":\"$to\"}" "$web/auth/password/change" || return
    has '"success":true' "$scratch/body"
}

post_sealed() {
    change_password 'correct horse battery' 'another horse battery' "$@" &&
        change_password 'another horse battery' 'correct horse battery' "$@"
}

upload() {
    quiet "$@" -o "$scratch/body" --fail-with-body -H 'Content-Type: application/octet-stream' \
        --data-binary "@$scratch/large" "$web/upload" || return
    has "\"bytes\":$large" "$scratch/body" && has "\"sha256\":\"$digest\"" "$scratch/body"
}

# From a pipe curl cannot know the length: chunked in HTTP/1.1, plain DATA frames in HTTP/2.
upload_chunked() {
    quiet "$@" -o "$scratch/body" --fail-with-body -T - "$web/upload" <"$scratch/large" || return
    has "\"bytes\":$large" "$scratch/body" && has "\"sha256\":\"$digest\"" "$scratch/body"
}

download() {
    quiet "$@" -o "$scratch/got" --fail "$web/download?bytes=$large" || return
    is "$(sha256sum <"$scratch/got" | cut -d' ' -f1)" "$digest" "the digest"
}

range() {
    quiet "$@" -o "$scratch/got" -w '%{http_code}' -r 1000-1999 "$web/download?bytes=$large" >"$scratch/code" || return
    is "$(cat "$scratch/code")" 206 "the status" || return
    is "$(sha256sum <"$scratch/got")" "$(tail -c +1001 "$scratch/large" | head -c 1000 | sha256sum)" "the digest"
}

head_only() {
    quiet "$@" -I -o "$scratch/head" --fail "$web/download?bytes=$large" || return
    grep -qi "^content-length: $large" "$scratch/head" || has "content-length: $large" "$scratch/head"
}

# Arrival times in milliseconds, one a line. Held back and sent in one go they would be the same; sent two by two,
# half of them would.
events() {
    quiet "$@" -N --fail "$web/events?count=5&interval_ms=200" | while IFS= read -r line; do
        case $line in data:*) echo "${EPOCHREALTIME/./}" ;; esac
    done >"$scratch/times" || return
    awk '{ at = $1 / 1000 } NR == 1 { first = at } NR > 1 && at - before >= 20 { apart++ } { before = at }
         END { if (NR != 5 || before - first < 400 || apart < 3) {
             print NR " events, " apart + 0 " of them apart, in " before - first " ms" > "/dev/stderr"; exit 1 } }' \
        "$scratch/times"
}

keep_alive() {
    quiet -o /dev/null -o /dev/null -w '%{http_code} %{num_connects}\n' "$web/profile" "$web/profile" \
        >"$scratch/connects" || return
    is "$(tr '\n' ';' <"$scratch/connects")" '200 1;200 0;' "status and new connections of two requests"
}

expects() { # expects CURL_ARGUMENT …: a 100 comes before the final answer, and before curl's own patience ends
    local begun=${EPOCHREALTIME/./}
    ask -v --expect100-timeout 20 -H 'Expect: 100-continue' -o "$scratch/body" --fail-with-body "$@" 2>"$scratch/talk" ||
        { tail -n 5 "$scratch/talk" >&2; return 1; }
    has '< HTTP/1.1 100 Continue' "$scratch/talk" || return
    [ $((${EPOCHREALTIME/./} - begun)) -lt 10000000 ] || { echo "the 100 did not come in time" >&2; return 1; }
}

expect_continue() {
    expects -H 'Content-Type: application/octet-stream' --data-binary "@$scratch/large" "$web/upload" || return
    has "\"sha256\":\"$digest\"" "$scratch/body"
}

expect_continue_sealed() {
    local from='correct horse battery' to='another horse battery' swap
    for _ in there back; do
        expects -H 'Content-Type: application/json' \
            -d "{\"currentPassword\":\"$from\",\"newPassword\":\"$to\"}" "$web/auth/password/change" || return
        has '"success":true' "$scratch/body" || return
        swap=$from from=$to to=$swap
    done
}

h2c() {
    local step
    is "$(quiet --http2-prior-knowledge -o /dev/null -w '%{http_version}' "$web/profile")" 2 "the version" || return
    for step in get_json post_json post_sealed upload upload_chunked download range head_only events; do
        "$step" --http2-prior-knowledge || { echo "in $step" >&2; return 1; }
    done
}

# An offer of h2c beside a request is to be ignored (RFC 9113 section 3.1), and the request to be answered.
h2c_offer() {
    is "$(quiet --http2 -o "$scratch/body" -w '%{http_code}' "$web/profile")" 200 "the status" || return
    has '"accountEmail":"admin@example.com"' "$scratch/body" || return
    post_json --http2
}

case_of get-json get_json
case_of post-json post_json
case_of post-sealed post_sealed
case_of upload upload
case_of upload-chunked upload_chunked
case_of download download
case_of range range
case_of head head_only
case_of events events
case_of keep-alive keep_alive
case_of expect-continue expect_continue
case_of expect-continue-sealed expect_continue_sealed
case_of h2c h2c
case_of h2c-offer h2c_offer
exit $failed
