#!/usr/bin/env bats
# /proc hangs: whoever reads what some process has in its environment or its
# arguments is in uninterruptible sleep. Only within a mount name space of the
# test's own, so that other tests go on.

load helper

own_setup() {
	((EUID == 0)) || skip "needs root, to mount"
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	mkdir "$RUN/hang"
	background sleep 600
	VICTIM=$!
	touch "$RUN/program"
	"$HANGFS" "$RUN/hang" "/proc/$VICTIM/environ" "/proc/$VICTIM/cmdline" \
		"$RUN/program" \
		>"$RUN/ready" 2>>"$RUN/hangfs.log" 3>&- &
	HANGFS_PID=$!
	eventually 10 grep -q ready "$RUN/ready"
	ENTER=(nsenter -t "$HANGFS_PID" -m --)
	AS=("${ENTER[@]}")
}

# What hangs is free when the file system goes; what wakegate started to look
# around must be gone then.
own_teardown() {
	[ -n "${HANGFS_PID:-}" ] || return 0
	stop_servers
	kill -TERM "$HANGFS_PID" || true
	eventually 5 gone "$HANGFS_PID"
	ENTER=()
	AS=()
}

hangs() {
	"${ENTER[@]}" timeout 20 cat "$1" >/dev/null 2>&1 3>&- &
	eventually 5 waits_for_fuse "$!"
}

waits_for_fuse() {
	grep -qs fuse_ "/proc/$(pgrep -P "$1" -x cat)/stack"
}

@test "/proc hangs: a cold request is answered within 10 s" {
	local begin

	hangs "/proc/$VICTIM/environ"
	hangs "/proc/$VICTIM/cmdline"
	write_config
	start_lighttpd
	begin=$(now_ms)
	get /pid
	(($(now_ms) - begin < 10000)) || fail "$(($(now_ms) - begin)) ms"
	[ "$code" = 200 ] || fail "$code $body"
	[ "$(gateway_starts)" -eq 1 ]
}

# Other tests' are in other namespaces.
starts_here() {
	pgrep --ns "$HANGFS_PID" --nslist mnt -xa wakegate-start
}

@test "a command that hangs before it runs is not started a second time" {
	COMMAND=("$RUN/program")
	write_config '.gateways.fake.stop_timeout_s = 1'
	run wg start
	[ "$status" -ne 0 ]
	eventually 5 never row_is state starting
	run wg reset
	run wg start
	[ "$status" -ne 0 ]
	[ "$(starts_here | wc -l)" -eq 1 ] || fail "$(starts_here)"
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
	"${ENTER[@]}" timeout 40 "$WAKEGATE" -c "$CONFIG" stop 3>&- || true
	port_closed "$GATEWAY_PORT"
	[ -z "$(pgrep -f -- "--listen $GATEWAY_ADDRESS ")" ]
}
