#!/usr/bin/env bats
# A body of any size takes no memory for it, either way, however slow the client.
#
# In full: BODY_MB=1024 RATE=10M BATS_TEST_TIMEOUT=400.

load helper

: "${BODY_MB:=48}" "${RATE:=24M}"
RSS_KB=6144

# Adds what is resident in each process of ours, and was at most, to $RUN/rss.
note_memory() {
	local pid

	for pid in $(our_workers) $(row owner_pid); do
		awk -v pid="$pid" '/^VmHWM/ { print $2, pid }' \
			"/proc/$pid/status" 2>/dev/null || true
	done >>"$RUN/rss"
}

# passes SERVER: up and down at once.
passes() {
	local bytes=$((BODY_MB * 1048576)) up down most

	if grep -qs 'libasan\|__asan' "$WAKEGATE"; then
		skip "built with sanitizers"
	fi
	write_config ".gateways.fake.body_max_bytes = 4294967296
		| .log_level = \"warning\""
	truncate -s "$bytes" "$RUN/big"
	"start_$1"
	get /pid
	curl -sS --limit-rate "$RATE" -T "$RUN/big" -H 'Expect:' \
		-o "$RUN/up" "$URL/echo" 3>&- &
	up=$!
	curl -sS --limit-rate "$RATE" -o "$RUN/down" \
		"$URL/big?bytes=$bytes" 3>&- &
	down=$!
	while alive "$up" || alive "$down"; do
		note_memory
		sleep 0.2
	done
	wait "$up" && wait "$down"
	[ "$(jq .body_bytes "$RUN/up")" -eq "$bytes" ] || fail "$(<"$RUN/up")"
	[ "$(stat -c %s "$RUN/down")" -eq "$bytes" ]
	most=$(sort -rn "$RUN/rss" | head -n 1)
	echo "# $1: $BODY_MB MB up and down at $RATE/s, at most ${most% *} KB" >&3
	((${most% *} < RSS_KB))
}

# Their own limits are in the files; this is larger.
large() {
	sed -i -e '/server.max-request-size/d' \
		-e 's/FcgidMaxRequestLen .*/FcgidMaxRequestLen 4294967296/' \
		"$RUN/$1"
}

fill_in() {
	sed -e "s|@RUN@|$RUN|g" -e "s|@WAKEGATE@|$WAKEGATE|g" \
		-e "s|@CONFIG@|$CONFIG|g" -e "s|@PORT@|$WEB_PORT|g" \
		-e "s|@GATEWAY@|$GATEWAY_ADDRESS|g" \
		"$TOP_SRCDIR/conf/$1" >"$RUN/$1"
	large "$1"
}

@test "a body of any size passes up and down in 6 MB: lighttpd" {
	passes lighttpd
}

@test "a body of any size passes up and down in 6 MB: Apache" {
	passes apache
}

@test "a body of any size passes up and down in 6 MB: nginx" {
	passes nginx
}

@test "a body of any size passes up and down in 6 MB: CGI" {
	passes lighttpd_cgi
}
