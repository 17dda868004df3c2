#!/usr/bin/env bats
# WebSocket, and other protocols that a request switches to: wakegate as CGI under
# lighttpd, which carries the bytes itself.

load helper
load websocket

connections() {
	local hex

	printf -v hex '%04X' "$GATEWAY_PORT"
	awk -v port=":$hex" '$2 ~ port && $4 == "01"' /proc/net/tcp | wc -l
}

connections_are() {
	[ "$(connections)" -eq "$1" ]
}

# Pids of wakegate's CGI processes under lighttpd: the tunnels.
tunnels() {
	local pid

	for pid in $(pgrep -P "${SERVERS[0]}"); do
		if [ -p "/proc/$pid/fd/0" ]; then echo "$pid"; fi
	done
}

tunnels_are() {
	[ "$(tunnels | wc -l)" -eq "$1" ]
}

# ws_up --count N: clients in the background that are all connected, and wait for the
# end.
ws_up() {
	: >"$RUN/up"
	ws "$@" "mark:$RUN/up" closed >"$RUN/closed" 3>&- &
	eventually 20 lines_are "$2" "$RUN/up"
}

# --- the handshake -----------------------------------------------------------

@test "50 at once to a gateway that does not run: one start, all are connected" {
	FLAGS=(--boot-ms 500)
	write_config
	start_lighttpd
	run ws --count 50 echo:100 close:1000
	is '50 101 closed=1000 gone'
	[ "$(gateway_starts)" -eq 1 ]
}

@test "as CGI alone lighttpd carries them as well" {
	write_config
	start_lighttpd_cgi
	run ws --count 10 echo:100000 close:1000
	is '10 101 closed=1000 gone'
}

crash_is_seen() {
	[ "$(query "SELECT count(*) FROM event WHERE kind = 'crash_seen'")" -gt 0 ]
}

@test "a gateway that has crashed is replaced before the 101" {
	local keeper

	write_config
	start_lighttpd
	run ws ping close:1000
	is '1 101 closed=1000 gone'
	keeper=$(row owner_pid)
	kill -STOP "$keeper" # nobody says that it has gone
	kill_gateway
	ws --count 20 ping close:1000 >"$RUN/again" 3>&- &
	eventually 10 crash_is_seen
	kill -CONT "$keeper"
	wait "$!"
	[ "$(<"$RUN/again")" = '20 101 closed=1000 gone' ] || fail "$(<"$RUN/again")"
	[ "$(gateway_starts)" -eq 2 ]
}

@test "what the gateway refuses is refused as it says" {
	write_config
	start_lighttpd
	handshake /ws-refuse
	[ "$code" = 403 ]
	[ "$body" = refused ]
	[ "$(header X-Why)" = 'not you' ]
	get /ws
	[ "$code" = 426 ]
}

@test "a gateway that can't be had is a problem, not a connection" {
	FLAGS=(--exit-before-listen 78)
	write_config
	start_lighttpd
	handshake /ws
	[ "$code" = 503 ] || fail "$code"
	[ "$(json .code)" = failed ]
	[ -n "$(header Retry-After)" ]
	[ "$(header Content-Type)" = application/problem+json ]
}

@test "set_headers reach the handshake, and it is passed on whole" {
	write_config '.gateways.fake.set_headers =
		{"Authorization": "Bearer ours"}'
	start_lighttpd
	run ws --field 'Sec-WebSocket-Protocol: chat' --field 'Cookie: a=1' \
		'ask:field Authorization' 'ask:field Sec-WebSocket-Protocol' \
		'ask:field Cookie' 'ask:field Connection' 'ask:field Via'
	is '1 101 field Authorization=Bearer ours field Sec-WebSocket-Protocol=chat field Cookie=a=1 field Connection=Upgrade field Via=1.1 wakegate'
}

@test "frames that come with the handshake, and with its answer, are not lost" {
	write_config
	start_lighttpd
	run ws --count 20 --eager --path '/ws?hello=welcome' expect:welcome \
		expect:eager close:1000
	is '20 101 closed=1000 gone'
}

@test "an answer to switch to what was not asked for is bad_response" {
	write_config
	cgi GET '/switch?to=other' HTTP_CONNECTION=Upgrade HTTP_UPGRADE=shout \
		</dev/null
	[ "$code" = 502 ]
	grep -q '"bad_response"' "$RUN/cgi"
}

@test "a gateway is not asked to switch where the web server can't" {
	write_config
	start_web apache_cgi
	handshake /ws
	[ "$code" = 426 ] || fail "$code"
}

@test "a switch to HTTP/2 is never asked for" {
	write_config
	cgi GET /echo HTTP_CONNECTION='Upgrade, HTTP2-Settings' \
		HTTP_UPGRADE=h2c HTTP_HTTP2_SETTINGS=AAMAAABkAAQAAP__ </dev/null
	[ "$code" = 200 ]
	never grep -qi 'upgrade\|http2-settings' "$RUN/cgi"
}

# --- whose page may connect --------------------------------------------------

# from ORIGIN: prints the handshake's status.
from() {
	ws --field "Origin: $1" | sed 's/^1 //'
}

@test "a page of another host may not connect, and starts nothing" {
	local origin

	write_config
	start_lighttpd
	for origin in http://evil.example "http://127.0.0.1:$WEB_PORT.evil" \
		"http://127.0.0.1" http://127.0.0.1:1 null \
		"ftp://127.0.0.1:$WEB_PORT" "http://127.0.0.1:$WEB_PORT/"; do
		[ "$(from "$origin")" = 403 ] || fail "$origin is allowed"
	done
	handshake /ws -H 'Origin: http://evil.example'
	[ "$(json .code)" = forbidden ]
	[ "$(gateway_starts)" -eq 0 ]
	[ "$(from "http://127.0.0.1:$WEB_PORT")" = 101 ]
	[ "$(from "HTTPS://127.0.0.1:$WEB_PORT")" = 101 ]
	run ws
	is '1 101'
}

@test "websocket_origins are allowed beside the own host, * is everybody" {
	write_config '.gateways.fake.websocket_origins =
		["https://app.example", "null"]'
	start_lighttpd
	[ "$(from https://app.example)" = 101 ]
	[ "$(from null)" = 101 ]
	[ "$(from "http://127.0.0.1:$WEB_PORT")" = 101 ]
	[ "$(from https://app.example:444)" = 403 ]
	[ "$(from http://app.example)" = 403 ]
	write_config '.gateways.fake.websocket_origins = ["*"]'
	[ "$(from http://anybody.example)" = 101 ]
}

@test "a request that opens no WebSocket may have any Origin" {
	write_config
	start_lighttpd
	get /pid -H 'Origin: http://other.example'
	[ "$code" = 200 ]
}

# --- frames ------------------------------------------------------------------

@test "frames of every kind and size pass as they are" {
	write_config
	start_lighttpd
	run ws echo:0 echo:1 echo:125 echo:126 echo:65535 echo:65536 \
		echo:1048576:5 fragments:100000 ping text:words rsv close:1000
	is '1 101 closed=1000 gone'
}

@test "50 frames of 1 MB at once, both ways, before one is read" {
	write_config
	start_lighttpd
	run ws pipeline:50:1048576 ping close:1000
	is '1 101 closed=1000 gone'
}

@test "permessage-deflate is the business of the two ends" {
	write_config
	start_lighttpd
	run ws --field 'Sec-WebSocket-Extensions: permessage-deflate' \
		--path '/ws?deflate=1' rsv 'ask:field Sec-WebSocket-Extensions'
	is '1 101 deflate field Sec-WebSocket-Extensions=permessage-deflate'
}

@test "a slow reader holds the gateway back, and a tunnel stays under 1 MB" {
	local pid

	never grep -qs 'libasan\|__asan' "$WAKEGATE" || skip "built with sanitizers"
	write_config
	start_lighttpd
	ws 'tell:big 300' idle:4000 receive:300 close:1000 >"$RUN/slow" 3>&- &
	eventually 5 tunnels_are 1
	sleep 1
	pid=$(tunnels)
	awk '/^Private_Dirty:/ { print; exit !($2 < 1024) }' \
		"/proc/$pid/smaps_rollup" || fail "$(cat "/proc/$pid/smaps_rollup")"
	wait "$!"
	[ "$(<"$RUN/slow")" = '1 101 bytes=314572800 closed=1000 gone' ] ||
		fail "$(<"$RUN/slow")"
}

# --- the end -----------------------------------------------------------------

@test "close codes arrive from either side, and nothing stays behind" {
	write_config
	start_lighttpd
	run ws --count 5 close:4000
	is '5 101 closed=4000 gone'
	run ws --count 5 'tell:close 4001' closed
	is '5 101 closed=4001 gone'
	run ws --count 5 tell:drop closed
	is '5 101 gone'
	eventually 5 tunnels_are 0
	eventually 5 connections_are 0
}

@test "the gateway dies: clients see the end, come back, and it is started once" {
	write_config
	start_lighttpd
	ws_up --count 10
	kill_gateway
	wait "$!"
	[ "$(<"$RUN/closed")" = '10 101 gone' ] || fail "$(<"$RUN/closed")"
	run ws --count 10 ping close:1000
	is '10 101 closed=1000 gone'
	[ "$(gateway_starts)" -eq 2 ]
}

@test "the client goes: the gateway sees it, and the tunnel ends" {
	write_config
	start_lighttpd
	run ws --count 5 ping drop
	is '5 101'
	eventually 5 tunnels_are 0
	eventually 5 connections_are 0
	[ "$(gateway_starts)" -eq 1 ]
}

@test "SIGTERM ends a tunnel, and both sides see it" {
	write_config
	start_lighttpd
	ws_up --count 1
	kill -TERM "$(tunnels)"
	wait "$!"
	[ "$(<"$RUN/closed")" = '1 101 gone' ]
	eventually 5 connections_are 0
}

@test "a side that has ended may still listen: half a close passes" {
	write_config
	printf 'some words' | cgi_run GET /switch HTTP_CONNECTION=Upgrade \
		HTTP_UPGRADE=shout >"$RUN/cgi"
	grep -q '^Status: 101' "$RUN/cgi"
	grep -qi '^Upgrade: shout' "$RUN/cgi"
	[ "$(sed '1,/^\r*$/d' "$RUN/cgi")" = 'SOME WORDSbye' ] ||
		fail "$(cat "$RUN/cgi")"
}

@test "what a client said before it went is still passed on" {
	local pid

	write_config
	mkfifo "$RUN/in"
	exec 7<>"$RUN/in"
	cgi_run GET /switch HTTP_CONNECTION=Upgrade HTTP_UPGRADE=shout \
		<"$RUN/in" >"$RUN/cgi" 7>&- &
	eventually 5 grep -q '^Status: 101' "$RUN/cgi"
	pid=$(our_workers)
	kill -STOP "$pid" # wherever it is now
	printf 'last words' >&7
	kill -TERM "$pid"
	kill -CONT "$pid"
	eventually 5 gone "$pid"
	exec 7>&-
	eventually 5 grep -q LAST "$DELIVERIES"
}

# --- TLS and HTTP/2 ----------------------------------------------------------

@test "over TLS" {
	write_config
	start_lighttpd_tls
	run tls_ws h1 /ws 4002 "origin=https://127.0.0.1:$WEB_PORT"
	is '101 echo ping closed=4002 end'
	run tls_ws h1 /ws 4002 origin=https://evil.example
	is 403
}

@test "over HTTP/2, by extended CONNECT" {
	write_config
	start_lighttpd_tls
	run tls_ws h2 /ws 4003 "origin=https://127.0.0.1:$WEB_PORT"
	is '200 echo ping closed=4003 end'
	run tls_ws h2 /ws-refuse 4003
	is 403
	run tls_ws h2 /ws 4003 origin=https://evil.example
	is 403
	kill_gateway
	run tls_ws h2 /ws 4004
	is '200 echo ping closed=4004 end'
	[ "$(gateway_starts)" -eq 2 ]
}

@test "over HTTP/2, 50 at once to a gateway that does not run: one start, all are connected" {
	h2_crowd
}

@test "over HTTP/2: permessage-deflate, a close from the gateway, and its death" {
	h2_ends
}
