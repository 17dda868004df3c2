#!/usr/bin/env bats
# A gateway that dies, hangs or restarts itself.

load helper

wait_ready() {
	[ "$(row state)" = ready ] && [ "$(row pid)" != "$1" ]
}

# killed_under_load WEB SERVER: five kills while 20 clients ask, for 10 s.
killed_under_load() {
	local i pid pids=() end

	FLAGS=(--boot-ms 300)
	write_config '.gateways.fake.restarts_max = 100'
	start_web "$1"
	get /pid
	end=$(($(now_ms) + 10000))
	for i in {1..20}; do
		# by stderr: what is buffered would be lost at the time-out
		timeout 90 curl -s -o /dev/null -w '%{stderr}%{http_code}\n' \
			--rate 20/s "$URL/pid?[1-1000]" 2>"$RUN/codes.$i" 3>&- &
		pids+=($!)
	done
	for i in {1..5}; do
		sleep 1.3
		pid=$(row pid)
		kill -KILL "$pid"
		eventually 15 wait_ready "$pid"
	done
	while (($(now_ms) < end)); do sleep 0.1; done
	kill "${pids[@]}"
	wait "${pids[@]}" || true
	awk 1 "$RUN"/codes.* >"$RUN/all" # the last line of each may lack its end
	[ "$(grep -vc '^200$' "$RUN/all")" -eq 0 ] ||
		fail "$(sort "$RUN/all" | uniq -c)"
	[ "$(wc -l <"$RUN/all")" -gt 200 ]
	[ "$(events_of spawned)" -eq 6 ]
	[ "$(gateway_starts)" -eq 6 ]
}

@test "no GET fails while the gateway is killed five times, under lighttpd" {
	killed_under_load lighttpd
}

@test "no GET fails while the gateway is killed five times, under mod_fcgid" {
	killed_under_load apache
}

@test "a gateway that restarts itself is waited for, not started again" {
	local pid

	FLAGS=(--self-restart --closed-ms 5000)
	write_config
	start_lighttpd
	get /pid
	pid=$body
	kill -USR2 "$pid"
	eventually 4 port_closed "$GATEWAY_PORT"
	run many 10 /pid
	[ "$output" = "200 10" ] || fail "$output"
	get /pid
	[ "$body" = "$pid" ]
	[ "$(events_of spawned)" -eq 1 ]
	[ "$(row generation)" = 1 ]
}

# A POST whose body has not gone anywhere may wait as well.
@test "a POST waits for a gateway that restarts itself" {
	FLAGS=(--self-restart --closed-ms 5000)
	write_config
	start_lighttpd
	get /pid
	kill -USR2 "$body"
	eventually 4 port_closed "$GATEWAY_PORT"
	get /count -d one
	[ "$code" = 200 ]
	[ "$(cat "$DELIVERIES")" = one ]
	[ "$(events_of spawned)" -eq 1 ]
}

@test "dying at the first request is crashed, cooldown, failed; reset mends it" {
	FLAGS=(--crash-at-request 1 --log-lines 'my last words')
	write_config '.gateways.fake.max_failures = 3'
	start_lighttpd
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = crashed ]
	[ "$(json .retried)" = true ]
	eventually 5 row_is state cooldown
	query 'UPDATE gateway SET retry_at_ms = retry_at_ms + 50000'
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = cooldown ]
	[ "$(header Retry-After)" -ge 1 ]
	[ "$(row state)" = cooldown ]
	query 'UPDATE gateway SET retry_at_ms = 1'
	get /pid
	[ "$code" = 503 ]
	eventually 5 row_is state failed
	[ "$(row reason)" = max_failures ]
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = failed ]
	[[ $(row output_tail) == *'my last words'* ]]
	[ "$(gateway_starts)" -eq 3 ]
	[ "$(row failures)" -eq 3 ]
	FLAGS=()
	write_config '.gateways.fake.max_failures = 3'
	wg reset
	[ "$(row state)" = stopped ]
	eventually 5 get_is 200
}

get_is() {
	get /pid
	[ "$code" = "$1" ]
}

cooldown_over() {
	(($(now_ms) > $(row retry_at_ms) + 20))
}

@test "the n-th failed start in a row waits longer than the one before" {
	local waits=() i

	FLAGS=(--exit-before-listen 1)
	write_config '.gateways.fake.max_failures = 5'
	for i in 1 2 3; do
		cgi GET /pid
		[ "$code" = 503 ]
		eventually 5 row_is state cooldown
		waits+=("$(row 'retry_at_ms - stopped_ms')")
		eventually 5 cooldown_over
	done
	((waits[0] > 0 && waits[0] <= 1000)) || fail "${waits[*]}"
	((waits[1] > 1000 && waits[1] <= 2000)) || fail "${waits[*]}"
	((waits[2] > 2000 && waits[2] <= 4000)) || fail "${waits[*]}"
}

@test "exit code 78 is failed at once" {
	FLAGS=(--exit-before-listen 78 --log-lines 'another one runs')
	write_config
	start_lighttpd
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = failed ]
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(row state)" = failed ]
	[ "$(row reason)" = exit_code ]
	[ "$(row exit_code)" = 78 ]
	[[ $(row output_tail) == *'another one runs'* ]]
	get /pid
	[ "$(gateway_starts)" -eq 1 ]
}

@test "a gateway that is never ready is given up after start_timeout_s" {
	FLAGS=(--ready-ms 60000)
	write_config '.gateways.fake.start_timeout_s = 1'
	cgi GET /pid
	[ "$code" = 503 ]
	eventually 5 port_closed "$GATEWAY_PORT"
	row_is reason start_timeout
}

@test "the end of a long last line is told, from a word on" {
	local tail

	FLAGS=(--log-lines "$(printf 'xyz=1%.0s' {1..800}) the end of it"
		--exit-before-listen 78)
	write_config
	cgi GET /pid
	tail=$(row output_tail)
	[[ $tail == *'end of it'* && $tail != *xyz=* ]] || fail "$tail"
}

@test "many restarts within a minute are a loop even when each answered" {
	local i

	write_config '.gateways.fake.restarts_max = 3'
	start_lighttpd
	for i in {1..6}; do
		get /pid
		[ "$code" = 200 ] || break
		kill -KILL "$body"
		eventually 5 gone "$body"
	done
	[ "$code" = 503 ] # this one may have seen the last crash
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = cooldown ]
	[ "$(gateway_starts)" -le 5 ]
	wg restart
	get /pid
	[ "$code" = 200 ]
}

# At least so many connections to the gateway.
connected() {
	(($(gateway_connections) >= $1))
}

@test "a stopped gateway is 504 in response_timeout_s; others are not held up" {
	local begin took pids=() i other

	take_port
	other=$REPLY
	write_config ".gateways.fake.response_timeout_s = 6
		| .gateways.other = (.gateways.fake | .mount = \"/echo\"
			| .address = \"127.0.0.1:$other\"
			| .command = [.command[0], \"--listen\", .address])"
	start_lighttpd
	get /echo
	[ "$code" = 200 ]
	get /pid
	kill -STOP "$body"
	begin=$(now_ms)
	for i in {1..30}; do
		curl -s -o "$RUN/out.$i" -w '%{http_code}\n' "$URL/pid" \
			>"$RUN/code.$i" 3>&- &
		pids+=($!)
	done
	eventually 5 connected 30
	took=$(now_ms)
	get /echo
	took=$(($(now_ms) - took))
	[ "$code" = 200 ]
	((took < 4000)) || fail "held up for $took ms"
	wait "${pids[@]}"
	took=$(($(now_ms) - begin))
	((took >= 6000 && took < 11000)) || fail "504 after $took ms"
	[ "$(cat "$RUN"/code.* | sort | uniq -c | awk '{print $2, $1}')" = \
		"504 30" ]
	[ "$(jq -r .code "$RUN/out.1")" = gateway_timeout ]
	kill -CONT "$(row pid)"
	get /pid
	[ "$code" = 200 ]
	[ "$(events_of spawned)" -eq 2 ]
}

@test "output is kept in a file that does not grow without end" {
	FLAGS=(--log-bytes 20000000)
	write_config
	wg start
	eventually 10 rotated
	[ "$(wg log -n 1 | wc -l)" -eq 1 ]
}

rotated() {
	[ -s "$STATE/fake.log.1" ] &&
		[ "$(stat -c %s "$STATE/fake.log")" -lt $((8 << 20)) ]
}

@test "a gateway that was killed shows its signal in the row and the events" {
	write_config '.gateways.fake.no_wake = []'
	wg start
	kill -KILL "$(row pid)"
	eventually 5 row_is state stopped
	[ "$(row exit_signal)" = 9 ]
	[ "$(events_of exited)" -eq 1 ]
}

@test "a secret of the command or the environment is not in the output's tail" {
	FLAGS=(--exit-before-listen 78
		--log-lines 'called with hush-4711, and hush-4712 as well')
	COMMAND=(env API_TOKEN=hush-4711 "$FAKE_GATEWAY")
	write_config '.gateways.fake.environment = { PASSWORD: "hush-4712" }'
	cgi GET /pid
	eventually 5 row_is state failed
	[[ $(row output_tail) == *'called with [redacted], and [redacted]'* ]]
	wg check >"$RUN/check.log"
	never grep -q 'API_TOKEN=hush\|"hush-4712"' "$RUN/check.log"
}

# replaced COLUMNS: a keeper that stopped when the row said so of its owner.
replaced() {
	local keeper gateway

	write_config
	wg start
	keeper=$(row owner_pid)
	gateway=$(row pid)
	# while it can't write: who stands still in a write keeps the lock
	sqlite3 "$STATE/wakegate.db" <<-END
		.timeout 5000
		BEGIN IMMEDIATE;
		.shell kill -STOP $keeper; kill -KILL $gateway
		UPDATE gateway SET state = 'starting', heartbeat_ms = 1000, $1;
		COMMIT;
	END
	cgi GET /pid
	[ "$code" = 200 ]
	eventually 5 gone "$keeper"
	[ "$(row owner_pid)" != "$keeper" ]
	[ "$(gateway_starts)" -eq 2 ]
}

@test "a keeper that fell silent is replaced" {
	replaced "reason = NULL"
}

@test "a keeper that fell silent before it signed the row is replaced" {
	replaced "owner_pid = NULL, owner_start = NULL"
}

@test "a keeper that could not tell its start time is replaced when silent" {
	replaced "owner_start = NULL"
}
