#!/usr/bin/env bats
# tests/conformance.txt, row by row, through each web server.

load helper

: "${CONFORMANCE:=$TOP_BUILDDIR/tests/fake/conformance}"

# conforms SERVER: every row.
conforms() {
	jq -n --arg state "$STATE" --arg address "$GATEWAY_ADDRESS" \
		--arg program "$CONFORMANCE" --arg run "$RUN" '{
		state_dir: $state, gateways: { fake: {
			address: $address, forwarded: "none", loading_page: false,
			command: [$program, "gateway", $address, $run],
			stop_timeout_s: 1, probe: { interval_ms: 20 } } } }' \
		>"$CONFIG"
	start_web "$1"
	timeout 150 "$CONFORMANCE" run "$1" "$WEB_PORT" "$RUN" \
		"$TOP_SRCDIR/tests/conformance.txt" >"$RUN/rows" 3>&- ||
		fail "$(grep -v '^ok' "$RUN/rows")"
	[ "$(grep -c '^ok' "$RUN/rows")" -ge 100 ]
	[ "$(events_of spawned)" -eq 1 ]
}

@test "each odd framing is refused, or means the same to all: lighttpd" {
	conforms lighttpd
}

@test "each odd framing is refused, or means the same to all: Apache" {
	conforms apache
}

@test "each odd framing is refused, or means the same to all: nginx" {
	conforms nginx
}
