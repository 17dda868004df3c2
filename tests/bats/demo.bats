#!/usr/bin/env bats
# conf/demo.sh: starts, wakes, and leaves nothing behind.

load helper

own_setup() {
	local folder=$RUN

	# The demonstration's user must reach its folder.
	while [ "$folder" != /tmp ] && [ "$folder" != / ]; do
		chmod a+x "$folder"
		folder=$(dirname "$folder")
	done
	take_port
	# make check has built it: nothing is made under the other tests.
	export TMPDIR=$RUN BUILD=$TOP_BUILDDIR DEMO_PORT=$REPLY MAKE=true
	DEMO=$RUN/wakegate-demo-$(id -u)
	URL=http://127.0.0.1:$DEMO_PORT
	unset MAKEFLAGS MAKELEVEL WAKEGATE_CONFIG
}

own_teardown() {
	[ ! -e "$DEMO" ] || sh "$TOP_SRCDIR/conf/demo.sh" --stop
}

start_demo() {
	# Not `background`: a shell starts that with SIGINT ignored.
	setsid env --default-signal=INT sh "$TOP_SRCDIR/conf/demo.sh" \
		>"$RUN/demo.log" 2>&1 3>&- &
	demo_pid=$!
	eventually 60 grep -q 'Ctrl-C' "$RUN/demo.log"
}

demo_processes() {
	grep -lsaF -- "WAKEGATE_DEMO=$DEMO" /proc/[0-9]*/environ || true
}

@test "conf/demo.sh serves the gateway's page, not as root, and survives its crash" {
	start_demo
	get /pid
	[ "$code" = 200 ]
	first=$body
	[ "$(stat -c %u "/proc/$first")" != 0 ] || [ "$(id -u)" != 0 ]
	get /crash
	get /pid
	[ "$code" = 200 ]
	[ "$body" != "$first" ]
	sh "$TOP_SRCDIR/conf/demo.sh" --stop
	wait "$demo_pid"
	[ ! -e "$DEMO" ]
	[ -z "$(demo_processes)" ]
	port_closed "$DEMO_PORT"
}

@test "Ctrl-C ends conf/demo.sh and the gateway with it" {
	start_demo
	get /pid
	[ "$code" = 200 ]
	kill -INT "$demo_pid"
	wait "$demo_pid"
	[ ! -e "$DEMO" ]
	[ -z "$(demo_processes)" ]
	gone "$body"
}

@test "conf/demo.sh --stop cleans up after one that was killed" {
	start_demo
	get /pid
	[ "$code" = 200 ]
	kill -KILL "$demo_pid"
	wait "$demo_pid" || true
	sh "$TOP_SRCDIR/conf/demo.sh" --stop
	[ ! -e "$DEMO" ]
	[ -z "$(demo_processes)" ]
	gone "$body"
}

@test "a second conf/demo.sh is refused while one runs" {
	start_demo
	run sh "$TOP_SRCDIR/conf/demo.sh"
	[ "$status" -eq 1 ]
	[[ $output == *'--stop'* ]]
	get /pid
	[ "$code" = 200 ]
	sh "$TOP_SRCDIR/conf/demo.sh" --stop
	wait "$demo_pid"
}
