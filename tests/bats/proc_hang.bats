#!/usr/bin/env bats
# /proc hangs: a process whose memory lies on a dead file system, so that whoever
# reads its environment is in uninterruptible sleep.

load helper

own_setup() {
	((EUID == 0)) || skip "needs root, to mount"
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	mkdir "$RUN/hang"
	"$HANGFS" "$RUN/hang" >"$RUN/victim" 2>>"$RUN/hangfs.log" 3>&- &
	HANGFS_PID=$!
	eventually 10 test -s "$RUN/victim"
	VICTIM=$(<"$RUN/victim")
}

own_teardown() {
	stop_servers
	if [ -n "${HANGFS_PID:-}" ]; then
		kill -TERM "$HANGFS_PID" 2>/dev/null || true
		eventually 5 gone "$HANGFS_PID"
		umount -l "$RUN/hang" 2>/dev/null || true
	fi
}

really_hangs() {
	never timeout -s KILL 1 cat "/proc/$VICTIM/environ" >/dev/null 2>&1
	never timeout -s KILL 1 cat "/proc/$VICTIM/cmdline" >/dev/null 2>&1
}

@test "/proc hangs: a cold request is answered within 10 s" {
	local begin

	really_hangs
	write_config
	start_lighttpd
	begin=$(now_ms)
	get /pid
	(($(now_ms) - begin < 10000)) || fail "$(($(now_ms) - begin)) ms"
	[ "$code" = 200 ] || fail "$code $body"
	[ "$(gateway_starts)" -eq 1 ]
}

@test "/proc hangs: a browser gets its loading page at once, then the page" {
	local begin

	write_config
	start_lighttpd
	begin=$(now_ms)
	get / -H 'Accept: text/html'
	(($(now_ms) - begin < 10000))
	[[ $(header Content-Type) == text/html* ]]
	eventually 10 row_is state ready
	get / -H 'Accept: text/html'
	[ "$code" = 200 ]
}

@test "/proc hangs: after a kill -9 the next request is answered within 10 s" {
	local begin

	write_config
	start_lighttpd
	get /pid
	kill -KILL "$body"
	begin=$(now_ms)
	get /pid
	(($(now_ms) - begin < 10000)) || fail "$(($(now_ms) - begin)) ms"
	[ "$code" = 200 ] || fail "$code $body"
	[ "$(gateway_starts)" -eq 2 ]
}

@test "/proc hangs: nothing is spawned over an open port" {
	local begin

	write_config
	start_by_hand
	start_lighttpd
	begin=$(now_ms)
	get /pid
	(($(now_ms) - begin < 10000)) || fail "$(($(now_ms) - begin)) ms"
	[ "$code" = 200 ] || [ "$code" = 503 ]
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(events_of spawned)" -eq 0 ] || fail "spawned beside it"
}

@test "/proc hangs: stop ends all the same, with its own children gone" {
	write_config
	wg start
	timeout 40 "$WAKEGATE" -c "$CONFIG" stop 3>&- || true
	port_closed "$GATEWAY_PORT"
	[ -z "$(pgrep -f -- "--listen $GATEWAY_ADDRESS ")" ]
}
