# websocket.bash - what the tests of WebSockets share, whoever carries them
#
# shellcheck shell=bash

# is RESULT: the last ws had it.
is() {
	# shellcheck disable=SC2154  # of run
	[ "$output" = "$1" ] || fail "$output"
}

kill_gateway() {
	kill -KILL "$(row pid)"
	eventually 5 port_closed "$GATEWAY_PORT"
}

lines_are() {
	[ "$(wc -l <"$2")" -eq "$1" ]
}

# handshake PATH [CURL OPTIONS]: one that is refused; as get().
handshake() {
	local path=$1

	shift
	get "$path" -H 'Connection: Upgrade' -H "Upgrade: ${UPGRADE:-websocket}" \
		-H 'Sec-WebSocket-Version: 13' \
		-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' "$@"
}

# h2_crowd [CONF FILE]: 50 at once to a gateway that does not run.
h2_crowd() {
	FLAGS=(--boot-ms 500)
	write_config
	start_lighttpd_tls "$@"
	run tls_ws h2 /ws 4003 -count=50
	is '50 200 echo ping closed=4003 end'
	[ "$(gateway_starts)" -eq 1 ]
}

# h2_ends [CONF FILE]: permessage-deflate, a close from the gateway, and its death.
h2_ends() {
	write_config
	start_lighttpd_tls "$@"
	run tls_ws h2 '/ws?deflate=1' '!4001' \
		Sec-WebSocket-Extensions=permessage-deflate
	is '200 deflate echo ping closed=4001 end'
	: >"$RUN/up"
	tls_ws h2 /ws none -count=5 "-mark=$RUN/up" >"$RUN/closed" &
	eventually 20 lines_are 5 "$RUN/up"
	kill_gateway
	wait "$!"
	[ "$(<"$RUN/closed")" = '5 200 end' ] || fail "$(<"$RUN/closed")"
	run tls_ws h2 /ws 4004 -count=5
	is '5 200 echo ping closed=4004 end'
	[ "$(gateway_starts)" -eq 2 ]
}
