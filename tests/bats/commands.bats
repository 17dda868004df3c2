#!/usr/bin/env bats
# The commands: what they do, what they print, their exit codes.

load helper

own_setup() {
	write_config
}

@test "version and help work without a configuration" {
	WAKEGATE_CONFIG=/none run "$WAKEGATE" version
	[ "$status" -eq 0 ]
	[[ $output == *[0-9].[0-9]* ]]
	run "$WAKEGATE" --help
	[ "$status" -eq 0 ]
	[[ $output == *status* ]]
}

@test "no command, an unknown one, an unknown option: usage, exit 2" {
	run "$WAKEGATE" -c "$CONFIG"
	[ "$status" -eq 2 ]
	run wg nonsense
	[ "$status" -eq 2 ]
	[[ $output == *nonsense* ]]
	run wg status --nonsense
	[ "$status" -eq 2 ]
}

@test "check prints the effective configuration, secrets hidden" {
	echo 'Bearer hush-hush' >"$RUN/bearer"
	write_config ".gateways.fake.set_headers =
		{\"Authorization\": {\"file\": \"$RUN/bearer\"}}
		| .gateways.fake.environment = {\"TOKEN\": \"hush-too\"}"
	run wg check
	[ "$status" -eq 0 ]
	[[ $output != *hush* ]] || fail "$output"
	wg check >"$RUN/body"
	[ "$(json .gateways.fake.mount)" = / ]
	[ "$(json .gateways.fake.keepalive_s)" = 4 ]
	[ "$(json .gateways.fake.stop_timeout_s)" = 2 ]
}

@test "check starts nothing and makes nothing" {
	wg check >/dev/null
	[ ! -e "$STATE" ]
}

@test "a bad configuration: exit 2, with file, key and what was expected" {
	write_config '.gateways.fake.wait_s = "long"'
	run wg check
	[ "$status" -eq 2 ]
	[[ $output == *wakegate.json* && $output == *wait_s* ]] || fail "$output"
	write_config '.gateways.fake.wait_sec = 3'
	run wg check
	[ "$status" -eq 2 ]
	[[ $output == *wait_sec* && $output == *wait_s* ]] || fail "$output"
	echo '{ "gateways": {,} }' >"$CONFIG"
	run wg check
	[ "$status" -eq 2 ]
	[[ $output == *wakegate.json:1* ]] || fail "$output"
	run wg start
	[ "$status" -eq 2 ]
	write_config
}

@test "the example configuration is a good one but for files of its machine" {
	jq '.gateways.openclaw |= (.environment = {} | .set_headers = {}
		| .directory = "/" | .command[0] = "/bin/sh")
		| del(.admin)' "$TOP_SRCDIR/conf/wakegate.json" >"$RUN/c.json"
	run "$WAKEGATE" -c "$RUN/c.json" check
	[ "$status" -eq 0 ] || fail "$output"
}

@test "start returns when it is ready, and again at once" {
	FLAGS=(--boot-ms 500)
	write_config
	wg start
	[ "$(row state)" = ready ]
	port_open "$GATEWAY_PORT"
	wg start
	[ "$(gateway_starts)" -eq 1 ]
}

@test "start of what cannot start: exit 1, one line that says why" {
	FLAGS=(--exit-before-listen 78 --log-lines 'my last words')
	write_config
	wg start 2>"$RUN/err" && fail "it succeeded"
	[ "$?" -ne 2 ]
	run wg start
	[ "$status" -eq 1 ]
	[[ $output == *'exit code 78'* || $output == *'last words'* ]] || fail "$output"
}

@test "start that takes too long: exit 3" {
	FLAGS=(--ready-ms 60000)
	write_config '.gateways.fake.start_timeout_s = 1
		| .gateways.fake.max_failures = 2'
	run wg start
	[ "$status" -eq 3 ] || [ "$status" -eq 1 ] || fail "$status $output"
	[ -n "$output" ]
}

@test "start --no-wait returns at once" {
	local begin

	FLAGS=(--boot-ms 8000)
	write_config
	begin=$(now_ms)
	wg start --no-wait
	(($(now_ms) - begin < 4000))
	eventually 20 row_is state ready
}

@test "stop returns when it is dead and the port closed, and again at once" {
	wg start
	wg stop
	port_closed "$GATEWAY_PORT"
	[ "$(row state)" = stopped ]
	[ -z "$(pgrep -f -- "--listen $GATEWAY_ADDRESS ")" ]
	wg stop
	[ "$(row state)" = stopped ]
}

@test "stop of what never ran is done" {
	wg stop
}

@test "stop --hold keeps it down until start" {
	wg start
	wg stop --hold
	[ "$(row state)" = failed ]
	[ "$(row reason)" = held ]
	cgi GET /pid
	[ "$code" = 503 ]
	[ "$(gateway_starts)" -eq 1 ]
	wg start
	[ "$(row state)" = ready ]
	wg stop
	wg stop --hold
	cgi GET /pid
	[ "$code" = 503 ]
	wg start
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "restart gives a new process, and starts what does not run" {
	local pid

	wg restart
	pid=$(row pid)
	wg restart
	[ "$(row state)" = ready ]
	[ "$(row pid)" != "$pid" ]
	gone "$pid"
	[ "$(gateway_starts)" -eq 2 ]
}

@test "requests during a restart wait and are answered" {
	FLAGS=(--boot-ms 300)
	write_config
	start_lighttpd
	get /pid
	background "$WAKEGATE" -c "$CONFIG" restart
	until (($(gateway_starts) == 2)); do
		get /pid
		[ "$code" = 200 ] || fail "$code $body"
	done
	get /pid
	[ "$code" = 200 ] || fail "$code $body"
}

@test "reset clears failures and leaves a running gateway alone" {
	wg start
	wg reset
	[ "$(row state)" = ready ]
	port_open "$GATEWAY_PORT"
}

@test "status: a line a gateway; --json for programs" {
	run wg status
	[ "$status" -eq 0 ]
	[[ $output == *fake*stopped* ]] || fail "$output"
	wg start
	run wg status
	[[ $output == *fake*ready* ]] || fail "$output"
	wg status --json >"$RUN/body"
	jq -e . "$RUN/body" >/dev/null
	grep -q '"ready"' "$RUN/body"
	grep -q "$(row pid)" "$RUN/body"
}

@test "a status that is asked for starts nothing" {
	wg status >/dev/null
	sleep 0.3
	[ "$(gateway_starts)" -eq 0 ]
}

# followed TEXT N: so many lines with it have come.
followed() {
	[ "$(grep -c -- "$1" "$RUN/followed")" -eq "$2" ]
}

@test "events: newest last, -n, --json, -f" {
	wg start
	wg stop
	run wg events
	[ "$status" -eq 0 ]
	[[ $output == *claimed*spawned*ready*stopped* ]] || fail "$output"
	[ "$(wg events -n 2 | wc -l)" -eq 2 ]
	wg events --json >"$RUN/events"
	[ "$(jq -rs 'flatten | map(.kind) | index("spawned") != null' \
		"$RUN/events")" = true ] || fail "$(cat "$RUN/events")"
	timeout 60 "$WAKEGATE" -c "$CONFIG" events -f >"$RUN/followed" 3>&- &
	BACKGROUND+=($!)
	eventually 10 followed ' ready' 1
	wg start
	eventually 10 followed ' ready' 2
}

@test "log: the gateway's output, -n, -f" {
	FLAGS=(--log-lines one --log-lines two)
	write_config
	wg start
	[[ $(wg log) == *one*two* ]]
	[ "$(wg log -n 1 | wc -l)" -eq 1 ]
	timeout 60 "$WAKEGATE" -c "$CONFIG" log -f >"$RUN/followed" 3>&- &
	BACKGROUND+=($!)
	eventually 10 followed two 1
	wg restart
	eventually 10 followed two 2
}

@test "the gateway must be named where there are several" {
	take_port
	write_config ".gateways.other = (.gateways.fake | .mount = \"/other\"
		| .address = \"127.0.0.1:$REPLY\"
		| .command = [.command[0], \"--listen\", .address])"
	run wg start
	[ "$status" -eq 2 ]
	[[ $output == *other* ]] || fail "$output"
	run wg start none
	[ "$status" -eq 2 ]
	wg start other
	[ "$(row state other)" = ready ]
	run wg status
	[[ $output == *fake* && $output == *other* ]]
	wg stop other
}

@test "WAKEGATE_CONFIG names the configuration, -c wins" {
	run env WAKEGATE_CONFIG="$CONFIG" "$WAKEGATE" check
	[ "$status" -eq 0 ]
	run env WAKEGATE_CONFIG=/none "$WAKEGATE" -c "$CONFIG" check
	[ "$status" -eq 0 ]
	run env WAKEGATE_CONFIG=/none "$WAKEGATE" check
	[ "$status" -eq 2 ]
	[[ $output == */none* ]]
}

@test "two starts, stops and restarts at once end well" {
	local i pids=()

	for i in {1..6}; do
		wg start >/dev/null 2>>"$RUN/a.log" &
		pids+=($!)
		wg restart >/dev/null 2>>"$RUN/a.log" &
		pids+=($!)
		wg stop >/dev/null 2>>"$RUN/a.log" &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	wg start
	[ "$(row state)" = ready ]
	[ "$(pgrep -fc -- "^$FAKE_GATEWAY --listen $GATEWAY_ADDRESS ")" -eq 1 ]
	wg stop
	port_closed "$GATEWAY_PORT"
}

# The words of a line that are options, sorted.
options_in() {
	tr -s ' []' '\n' <<<"$1" | grep -E '^-' | sort | tr '\n' ' '
}

@test "wakegate(8) has each command of the help with the same options, and no other" {
	local count=0 help manual name line

	help=$("$WAKEGATE" help | sed -n 's/^  \([a-z]\)/\1/p')
	mandoc -T ascii -O width=200 "$TOP_SRCDIR/doc/wakegate.8" |
		sed -e 's/.\x08//g' -e '1,/^COMMANDS/d' -e '/^ADMIN/,$d' \
			>"$RUN/manual"
	while read -r name line; do
		# the synopsis ends where the help begins, in lower case
		line=$(sed 's/ [a-z].*//' <<<" $line")
		manual=$(grep -E "^ {1,8}$name( |\$)" "$RUN/manual") ||
			fail "no $name"
		manual=$(head -n 1 <<<"$manual")
		[ "$(options_in "$line")" = "$(options_in "${manual#*"$name"}")" ] ||
			fail "$name: '$line', but '$manual'"
		count=$((count + 1))
	done <<<"$help"
	[ "$count" -gt 10 ]
	[ "$(sed -n '/^\.Sh COMMANDS/,/^\.Sh ADMIN/s/^\.It Cm \([a-z]*\).*/\1/p' \
		"$TOP_SRCDIR/doc/wakegate.8" | sort)" = \
		"$(cut -d ' ' -f 1 <<<"$help" | sort)" ]
}
