#!/usr/bin/env bats
# What is sent again after a crash, and what never is.

load helper

own_setup() {
	write_config
}

deliveries() {
	if [ -f "$DELIVERIES" ]; then wc -l <"$DELIVERIES"; else echo 0; fi
}

kill_gateway() {
	local pid

	pid=$(row pid)
	kill -KILL "$pid"
	eventually 5 port_closed "$GATEWAY_PORT"
}

# refused WEB SERVER: a POST to a gateway that has just died.
refused() {
	start_web "$1"
	get /pid
	kill_gateway
	get /count -d one
	[ "$code" = 200 ]
	[ "$(deliveries)" -eq 1 ]
	[ "$(gateway_starts)" -eq 2 ]
}

@test "a POST whose connection was refused is delivered once, lighttpd" {
	refused lighttpd
}

@test "a POST whose connection was refused is delivered once, mod_fcgid" {
	refused apache
}

@test "a POST whose connection was refused is delivered once, CGI" {
	cgi GET /pid
	kill_gateway
	cgi POST /count CONTENT_LENGTH=3 CONTENT_TYPE=text/plain < <(printf one)
	[ "$code" = 200 ]
	[ "$(deliveries)" -eq 1 ]
}

@test "a large POST to a dead gateway is delivered once and whole" {
	head -c 5000000 /dev/urandom >"$RUN/big"
	start_lighttpd
	get /pid
	kill_gateway
	get /echo -X POST --data-binary @"$RUN/big" -H 'Expect:'
	[ "$code" = 200 ]
	[ "$(json .body_bytes)" = 5000000 ]
	[ "$(json .body_cksum)" = "$(cksum <"$RUN/big" | cut -d ' ' -f 1)" ]
}

# killed_after WEB SERVER: the gateway dies when it has read the body.
killed_after() {
	start_web "$1"
	get '/count?die=1' -d one
	[ "$code" = 502 ]
	[ "$(json .code)" = gateway_closed ]
	[ "$(json .retried)" = false ]
	sleep 0.7
	[ "$(deliveries)" -eq 1 ]
	get /pid
	[ "$code" = 200 ]
}

@test "a POST whose body went out is not repeated: 502, lighttpd" {
	killed_after lighttpd
}

@test "a POST whose body went out is not repeated: 502, mod_fcgid" {
	killed_after apache
}

@test "a POST with an Idempotency-Key is repeated once" {
	start_lighttpd
	get '/count?die=first' -d one -H 'Idempotency-Key: "k1"'
	[ "$code" = 200 ]
	[ "$(deliveries)" -eq 2 ]
	[ "$(gateway_starts)" -eq 2 ]
	[ "$(events_of retried)" -eq 1 ]
}

@test "a POST with an Idempotency-Key is repeated once, and no more" {
	start_lighttpd
	get '/count?die=1' -d one -H 'Idempotency-Key: "k1"'
	[ "$code" = 503 ]
	[ "$(json .code)" = crashed ]
	[ "$(json .retried)" = true ]
	[ "$(deliveries)" -eq 2 ]
}

@test "a body over replay_bytes is not repeated, Idempotency-Key or not" {
	write_config '.gateways.fake.replay_bytes = 1000'
	head -c 100000 /dev/zero | tr '\0' a >"$RUN/big"
	start_lighttpd
	get '/count?die=first' --data-binary @"$RUN/big" -H 'Expect:' \
		-H 'Idempotency-Key: "k1"'
	[ "$code" = 502 ]
	[ "$(deliveries)" -eq 1 ]
}

@test "a PUT is repeated once, for it is idempotent" {
	start_lighttpd
	get '/count?die=first' -X PUT -d one
	[ "$code" = 200 ]
	[ "$(deliveries)" -eq 2 ]
}

@test "a GET that kills each gateway is sent twice, then 503 crashed" {
	start_lighttpd
	get /crash
	[ "$code" = 503 ]
	[ "$(json .code)" = crashed ]
	[ "$(json .retried)" = true ]
	[ "$(gateway_starts)" -eq 2 ]
	[ "$(events_of crash_seen)" -ge 1 ]
}

@test "a response that has begun is never sent again" {
	start_lighttpd
	get '/crash?when=during'
	[ "$code" = 200 ]
	[ "$curl_code" -ne 0 ]
	[ "$(gateway_starts)" -eq 1 ]
}

# scripted ANSWER...: the gateway gives these, one a request, and closes.
scripted() {
	jq -n --arg state "$STATE" --arg address "$GATEWAY_ADDRESS" '{
		state_dir: $state, gateways: { fake: { address: $address,
			command: $ARGS.positional, stop_timeout_s: 1 } } }' \
		--args -- "$SCRIPTED" --listen "$GATEWAY_ADDRESS" "$@" >"$CONFIG"
}

HEAD='HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'

# lost_head WEB SERVER: the first answer ends with its head.
lost_head() {
	scripted "$HEAD" "${HEAD}hello"
	start_web "$1"
	get /
	[ "$code" = 200 ]
	[ "$body" = hello ]
	[ "$(events_of retried)" -eq 1 ]
	[ "$(events_of spawned)" -eq 1 ]
}

@test "an answer that broke off before any of it left is asked for again, lighttpd" {
	lost_head lighttpd
}

@test "an answer that broke off before any of it left is asked for again, mod_fcgid" {
	lost_head apache
}

@test "an answer that breaks off each time is 502, whatever has come of it" {
	scripted "$HEAD"
	start_lighttpd
	get /
	[ "$code" = 502 ]
	[ "$(json .code)" = gateway_closed ]
	[ "$(json .retried)" = true ]
	get / -d one
	[ "$code" = 502 ]
	[ "$(json .retried)" = false ]
	scripted 'HTTP/1.1 200 OK\r\nCont'
	wg restart
	get /
	[ "$code" = 502 ]
	[ "$(json .code)" = gateway_closed ]
}

@test "an answer that was whole is the answer, though the gateway died then" {
	start_lighttpd
	get '/crash?when=after'
	[ "$code" = 200 ]
	[ "$body" = last ]
	get /pid
	[ "$code" = 200 ]
}

@test "a gateway that closes without a byte but lives is not started again" {
	local pid

	start_lighttpd
	get /pid
	pid=$body
	get /close
	[ "$code" = 502 ] || [ "$code" = 503 ]
	get /pid
	[ "$code" = 200 ]
	[ "$body" = "$pid" ]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "20 requests that see the same crash cause one restart" {
	FLAGS=(--boot-ms 300)
	write_config
	start_lighttpd
	get /pid
	kill_gateway
	run many 20 /pid
	[ "$output" = "200 20" ] || fail "$output"
	[ "$(gateway_starts)" -eq 2 ]
	[ "$(events_of spawned)" -eq 2 ]
}

@test "POSTs under kills are delivered at most once each" {
	local i pid pids=()

	FLAGS=(--boot-ms 100)
	write_config '.gateways.fake.restarts_max = 100'
	start_lighttpd
	get /pid
	for i in {1..5}; do
		(for n in {1..60}; do
			curl -s -o /dev/null -d "$i.$n" \
				-w "%{http_code} $i.$n\n" "$URL/count"
		done >"$RUN/posts.$i") 3>&- &
		pids+=($!)
	done
	for i in {1..4}; do
		sleep 0.4
		pid=$(row pid)
		kill -KILL "$pid" 2>/dev/null || true
	done
	wait "${pids[@]}"
	[ -z "$(sort "$DELIVERIES" | uniq -d)" ]
	# answered with 200 means delivered
	sed -n 's/^200 //p' "$RUN"/posts.* | sort >"$RUN/answered"
	[ -z "$(sort "$DELIVERIES" | comm -13 - "$RUN/answered")" ]
	[ "$(wc -l <"$RUN/answered")" -gt 200 ]
}
