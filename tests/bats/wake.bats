#!/usr/bin/env bats
# Many requests, one gateway.

load helper

export BATS_TEST_TIMEOUT=900

# hundred_cold WEB SERVER: 100 at once, all answered, one start.
hundred_cold() {
	FLAGS=(--boot-ms 2000)
	write_config '.gateways.fake.wait_s = 60'
	start_web "$1"
	run many 100 /pid
	[ "$output" = "200 100" ] || fail "$output"
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(events_of spawned)" -eq 1 ]
	[ "$(row state)" = ready ]
}

@test "100 requests at once to a cold gateway start one, under lighttpd" {
	hundred_cold lighttpd
}

@test "100 requests at once to a cold gateway start one, under mod_fcgid" {
	hundred_cold apache
}

# twenty_cold WEB SERVER
twenty_cold() {
	FLAGS=(--boot-ms 500)
	write_config '.gateways.fake.wait_s = 60'
	start_web "$1"
	run many 20 /pid
	[ "$output" = "200 20" ] || fail "$output"
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(events_of spawned)" -eq 1 ]
}

@test "20 CGI requests at once to a cold gateway start one, under lighttpd" {
	twenty_cold lighttpd_cgi
}

@test "20 CGI requests at once to a cold gateway start one, under Apache" {
	twenty_cold apache_cgi
}

# fifty_cgi: 50 CGI processes at once, from a shell that forks fast.
# shellcheck disable=SC2016  # the inner shell expands it
fifty_cgi() {
	env -i GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
		REQUEST_METHOD=GET REQUEST_URI=/pid SCRIPT_NAME= \
		PATH_INFO=/pid SERVER_NAME=x SERVER_PORT=80 HTTP_HOST=x \
		WAKEGATE_CONFIG="$CONFIG" ASAN_OPTIONS="$ASAN_OPTIONS" \
		sh -c 'i=0
		while [ $i -lt 50 ]; do
			"$1" >"$2/out.$i" 2>>"$2/cgi.log" &
			i=$((i + 1))
		done
		wait' sh "$WAKEGATE" "$RUN" 3>&-
}

@test "50 rounds of 50 CGI processes at once start one gateway each round" {
	local round

	FLAGS=(--boot-ms 50)
	write_config '.gateways.fake.wait_s = 60 | .log_level = "warning"'
	for round in {1..50}; do
		fifty_cgi
		[ "$(grep -l '^Status: 200' "$RUN"/out.* | wc -l)" -eq 50 ] ||
			fail "round $round: $(cat "$RUN"/out.*)"
		[ "$(sort -u "$RUN"/out.* | grep -c '^[0-9]')" -eq 1 ] ||
			fail "round $round: several gateways answered"
		[ "$(gateway_starts)" -eq "$round" ]
		[ "$(events_of spawned)" -eq "$round" ]
		wg stop >/dev/null
	done
}

@test "1 to 200 at once, as FastCGI, CGI and start, start one gateway" {
	local n i pids round=0

	FLAGS=(--boot-ms 300)
	write_config '.gateways.fake.wait_s = 60 | .log_level = "warning"'
	start_lighttpd
	for n in 1 7 40 200; do
		pids=()
		round=$((round + 1))
		: >"$RUN/codes"
		for ((i = 0; i < n; i++)); do
			case $((i % 3)) in
			0) curl -s -o /dev/null -w '%{http_code}\n' \
				"$URL/pid" >>"$RUN/codes" 3>&- & ;;
			1) cgi_run GET /pid 2>>"$RUN/cgi.log" |
				sed -n 's/^Status: //p' >>"$RUN/codes" 3>&- & ;;
			2) { wg start >/dev/null && echo 200; } \
				>>"$RUN/codes" 2>>"$RUN/start.log" 3>&- & ;;
			esac
			pids+=($!)
		done
		wait "${pids[@]}"
		[ "$(grep -c '^200' "$RUN/codes")" -eq "$n" ] ||
			fail "$n at once: $(sort "$RUN/codes" | uniq -c)"
		[ "$(gateway_starts)" -eq "$round" ]
		[ "$(events_of spawned)" -eq "$round" ]
		wg stop >/dev/null
	done
}

@test "a gateway that was started by hand is adopted" {
	write_config
	start_by_hand
	start_lighttpd
	run many 20 /pid
	[ "$output" = "200 20" ] || fail "$output"
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(events_of spawned)" -eq 0 ]
	[ "$(events_of adopted)" -eq 1 ]
	[ "$(row pid)" = "$(cut -d ' ' -f 1 "$STARTS")" ]
	[ "$(row adopted)" = 1 ]
}

@test "a gateway that was adopted is started anew when it dies" {
	local first

	write_config
	start_by_hand
	start_lighttpd
	get /pid
	first=$body
	kill -KILL "$first"
	get /pid
	[ "$code" = 200 ]
	[ "$body" != "$first" ]
	[ "$(events_of spawned)" -eq 1 ]
}

@test "a stranger on the port is left alone and named" {
	local stranger

	write_config
	background "$SCRIPTED" --listen "$GATEWAY_ADDRESS" \
		'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nstranger'
	stranger=$!
	eventually 5 port_open "$GATEWAY_PORT"
	start_lighttpd
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = port_taken ]
	[ "$(row state)" = failed ]
	[ "$(row reason)" = port_taken ]
	[[ $(row detail) == *"$stranger"* ]] || fail "$(row detail)"
	[[ $(row detail) == *scripted* ]] || fail "$(row detail)"
	[ "$(gateway_starts)" -eq 0 ]
	wg stop || true
	alive "$stranger"
	kill "$stranger"
	eventually 5 port_closed "$GATEWAY_PORT"
	wg reset
	get /pid
	[ "$code" = 200 ]
}

@test "a stranger with the gateway's name that another user runs is no gateway" {
	((EUID == 0)) || skip "needs root"
	write_config
	become_www_data
	background "$FAKE_GATEWAY" --listen "$GATEWAY_ADDRESS"
	eventually 5 port_open "$GATEWAY_PORT"
	start_apache
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = port_taken ]
	alive "${BACKGROUND[0]}"
}

@test "a request to a ready gateway writes no claim and starts nothing" {
	local generation

	write_config
	start_lighttpd
	get /pid
	generation=$(row generation)
	run many 50 /pid
	[ "$output" = "200 50" ]
	[ "$(row generation)" = "$generation" ]
	[ "$(events_of claimed)" -eq 1 ]
}
