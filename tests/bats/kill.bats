#!/usr/bin/env bats
# Whoever of wakegate dies, one gateway lives; and what is stopped is gone.

load helper

# --- deaths of ours ----------------------------------------------------------

one_gateway() {
	local count

	count=$(pgrep -fc -- "^$FAKE_GATEWAY --listen $GATEWAY_ADDRESS ")
	[ "$count" -eq 1 ] || fail "$count gateways"
}

@test "the keeper is killed: requests pass, one gateway lives, stop ends it" {
	local pid

	write_config
	start_lighttpd
	get /pid
	pid=$body
	kill -KILL "$(row owner_pid)"
	get /pid
	[ "$code" = 200 ]
	[ "$body" = "$pid" ]
	one_gateway
	wg stop
	gone "$pid"
	port_closed "$GATEWAY_PORT"
	[ "$(events_of spawned)" -eq 1 ]
}

@test "the keeper and then the gateway are killed: one is started" {
	local pid

	write_config
	start_lighttpd
	get /pid
	pid=$body
	kill -KILL "$(row owner_pid)"
	kill -KILL "$pid"
	run many 20 /pid
	[ "$output" = "200 20" ] || fail "$output"
	one_gateway
	[ "$(gateway_starts)" -eq 2 ]
}

starting_with_pid() {
	[ "$(row state)" = starting ] && [ "$(row 'pid > 0')" = 1 ]
}

@test "the keeper is killed in mid-start: what it had begun is adopted" {
	local waiter

	FLAGS=(--boot-ms 5000)
	write_config
	cgi_run GET /pid >"$RUN/first" 2>>"$RUN/cgi.log" &
	waiter=$!
	eventually 5 starting_with_pid
	kill -KILL "$(row owner_pid)"
	cgi GET /pid
	[ "$code" = 200 ]
	wait "$waiter"
	grep -q '^Status: 200' "$RUN/first"
	[ "$(gateway_starts)" -eq 1 ]
	one_gateway
}

worker_of_lighttpd() {
	pgrep -P "${SERVERS[0]}" | head -n 1
}

@test "a FastCGI worker is killed in mid-start: the start goes on" {
	FLAGS=(--boot-ms 5000)
	write_config
	start_lighttpd
	background curl -s -o /dev/null "$URL/pid"
	eventually 5 starting_with_pid
	kill -KILL "$(worker_of_lighttpd)"
	eventually 10 get_is_200
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(events_of spawned)" -eq 1 ]
}

get_is_200() {
	get /pid
	[ "$code" = 200 ]
}

@test "a CGI process is killed in mid-start: the start goes on" {
	FLAGS=(--boot-ms 5000)
	write_config
	background env GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
		REQUEST_METHOD=GET REQUEST_URI=/pid SCRIPT_NAME= \
		PATH_INFO=/pid SERVER_NAME=x SERVER_PORT=80 "$WAKEGATE"
	eventually 5 starting_with_pid
	kill -KILL "${BACKGROUND[0]}"
	cgi GET /pid
	[ "$code" = 200 ]
	[ "$(gateway_starts)" -eq 1 ]
}

# claimer_killed STRACE INJECTION
claimer_killed() {
	local result=0

	command -v strace >/dev/null || skip "needs strace"
	write_config
	wg check >/dev/null
	env GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
		REQUEST_METHOD=GET REQUEST_URI=/pid SCRIPT_NAME= \
		PATH_INFO=/pid SERVER_NAME=x SERVER_PORT=80 \
		ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0" \
		strace -f -o "$RUN/strace" -e trace="$1" \
		-e inject="$1:signal=SIGKILL:when=$2" "$WAKEGATE" \
		>"$RUN/first" 2>>"$RUN/cgi.log" 3>&- || result=$?
	[ "$result" -eq 137 ] || fail "it was not killed: $result"
	cgi GET /pid
	[ "$code" = 200 ]
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(events_of spawned)" -eq 1 ]
	one_gateway
}

@test "the claimer is killed between claim and spawn: the next one starts" {
	claimer_killed clone,clone3,fork,vfork 1
	[ "$(events_of claimed)" -eq 2 ]
}

@test "the claimer is killed at any of its writes to the store: the next starts" {
	local n

	command -v strace >/dev/null || skip "needs strace"
	for n in 1 2 3 5 8 13 21; do
		claimer_killed pwrite64 "$n"
		wg stop >/dev/null
		rm -rf "$STATE"
		: >"$STARTS"
	done
}

# --- stopping ----------------------------------------------------------------

# stopped_whole: what is started by COMMAND and FLAGS is all gone after stop.
stopped_whole() {
	write_config '.gateways.fake.stop_timeout_s = 1'
	wg start
	[ "$(row state)" = ready ]
	sleep 0.2
	[ -n "$(leftovers)" ]
	wg stop
	[ "$(row state)" = stopped ]
	port_closed "$GATEWAY_PORT"
	[ -z "$(leftovers_but_keeper)" ] || fail "left: $(leftovers_but_keeper)"
	[ "$(events_of spawned)" -eq 1 ]
}

# The keeper itself may still be on its way out.
leftovers_but_keeper() {
	local pid

	for pid in $(leftovers); do
		grep -qsaF -- "$WAKEGATE" "/proc/$pid/cmdline" || gone "$pid" ||
			echo "$pid"
	done
}

@test "a wrapper that does not exec: stop leaves nothing" {
	COMMAND=("$WRAPPER" "$FAKE_GATEWAY")
	stopped_whole
}

@test "a gateway in a session of its own: stop leaves nothing" {
	FLAGS=(--fork-session)
	stopped_whole
}

@test "a daemonised gateway: stop leaves nothing" {
	FLAGS=(--daemonise --boot-ms 200)
	stopped_whole
}

@test "a helper in a session of its own that ignores SIGTERM: nothing is left" {
	FLAGS=(--helper)
	stopped_whole
}

@test "a gateway that ignores SIGTERM: stop leaves nothing" {
	FLAGS=(--ignore-term)
	stopped_whole
	[ "$(events_of killed)" -eq 1 ]
}

@test "all of that together: stop leaves nothing" {
	COMMAND=("$WRAPPER" "$FAKE_GATEWAY")
	FLAGS=(--daemonise --helper --ignore-term)
	stopped_whole
}

@test "a daemonised gateway behind a killed keeper: stop leaves nothing" {
	FLAGS=(--daemonise --helper --ignore-term)
	write_config '.gateways.fake.stop_timeout_s = 1'
	wg start
	kill -KILL "$(row owner_pid)"
	wg stop
	port_closed "$GATEWAY_PORT"
	[ -z "$(leftovers_but_keeper)" ] || fail "left: $(leftovers_but_keeper)"
}

@test "a stopped (SIGSTOP) gateway: stop leaves nothing" {
	write_config '.gateways.fake.stop_timeout_s = 1'
	wg start
	kill -STOP "$(row pid)"
	wg stop
	port_closed "$GATEWAY_PORT"
	[ -z "$(leftovers_but_keeper)" ]
}

@test "a wrapper is killed from outside: its gateway goes on or is replaced" {
	COMMAND=("$WRAPPER" "$FAKE_GATEWAY")
	write_config '.gateways.fake.stop_timeout_s = 1'
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	pkill -KILL -f "^/bin/sh $WRAPPER $FAKE_GATEWAY --listen $GATEWAY_ADDRESS "
	get /pid
	[ "$code" = 200 ]
	one_gateway
	stop_servers
	wg stop
	port_closed "$GATEWAY_PORT"
	[ -z "$(leftovers_but_keeper)" ]
}

@test "helpers of a gateway that crashed are gone before the next one starts" {
	local helper

	FLAGS=(--helper)
	write_config '.gateways.fake.stop_timeout_s = 1'
	start_lighttpd
	get /pid
	eventually 5 pgrep -n -x gateway-helper -P "$body"
	helper=$(pgrep -n -x gateway-helper -P "$body")
	kill -KILL "$body"
	get /pid
	[ "$code" = 200 ]
	eventually 5 gone "$helper"
}

@test "a gateway that was started by hand and adopted is stopped as well" {
	FLAGS=(--ignore-term)
	write_config '.gateways.fake.stop_timeout_s = 1'
	start_by_hand
	wg start
	[ "$(row adopted)" = 1 ]
	wg stop
	port_closed "$GATEWAY_PORT"
	eventually 2 gone "${BACKGROUND[0]}"
}

@test "strangers are never signalled: a namesake, a client of the port" {
	local namesake client

	FLAGS=(--ignore-term --helper)
	write_config '.gateways.fake.stop_timeout_s = 1'
	take_port
	background "$FAKE_GATEWAY" --listen "127.0.0.1:$REPLY"
	namesake=$!
	start_lighttpd
	get /pid
	# holds a connection to the gateway's port, and outlives it
	background bash -c "exec 9<>/dev/tcp/127.0.0.1/$GATEWAY_PORT
		trap '' HUP PIPE; touch '$RUN/connected'
		while :; do sleep 0.2; done"
	client=$!
	eventually 10 test -e "$RUN/connected"
	wg restart
	wg stop
	alive "$namesake"
	alive "$client"
	alive "${SERVERS[0]}"
}

@test "a stale pid in the row that somebody else has now is not signalled" {
	local stranger

	write_config
	wg start
	wg stop
	background sleep 60
	stranger=$!
	query "UPDATE gateway SET pid = $stranger, pid_start = 1"
	wg stop
	wg start
	wg stop
	alive "$stranger"
}

@test "lock files are removed after a stop and after a crash" {
	write_config ".gateways.fake.lock_files = [\"$RUN/gateway.lock\"]"
	wg start
	: >"$RUN/gateway.lock"
	wg stop
	[ ! -e "$RUN/gateway.lock" ]
	wg start
	: >"$RUN/gateway.lock"
	kill -KILL "$(row pid)"
	eventually 5 never test -e "$RUN/gateway.lock"
}

@test "a request during a stop waits and is answered by the next gateway" {
	local pid

	FLAGS=(--ignore-term)
	write_config '.gateways.fake.stop_timeout_s = 5'
	start_lighttpd
	get /pid
	pid=$body
	background "$WAKEGATE" -c "$CONFIG" stop
	eventually 5 row_is state stopping
	get /pid
	[ "$code" = 200 ]
	[ "$body" != "$pid" ]
	one_gateway
}

# keeper_dies_in COMMAND: while the old process is being ended.
keeper_dies_in() {
	local command

	FLAGS=(--ignore-term)
	write_config '.gateways.fake.stop_timeout_s = 4'
	wg start
	OLD=$(row pid)
	wg "$1" 3>&- &
	command=$!
	eventually 5 row_is state stopping
	kill -KILL "$(row owner_pid)"
	wait "$command"
	gone "$OLD" || fail "$1 is done, and $OLD lives"
}

@test "the keeper is killed in a restart: it is done when the old process is gone" {
	keeper_dies_in restart
	row_is state ready
	[ "$(gateway_starts)" -eq 2 ]
}

@test "the keeper is killed in a stop: it is done when the process is gone" {
	keeper_dies_in stop
	[ "$(gateway_starts)" -eq 1 ]
}
