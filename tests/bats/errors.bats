#!/usr/bin/env bats
# What a client sees when there is no answer from the gateway.

load helper

# problem STATUS CODE: the last answer is that problem, with all that it must have.
problem() {
	[ "$code" = "$1" ] || fail "$code instead of $1: $body"
	[[ $(header Content-Type) == application/problem+json* ]] ||
		fail "$(header Content-Type)"
	[ "$(json .code)" = "$2" ] || fail "$body"
	[ "$(json .type)" = "urn:problem-type:wakegate:$2" ]
	[ "$(json .status)" = "$1" ]
	[ "$(json '.title | length > 0')" = true ]
	[ "$(json '.detail | length > 0')" = true ]
	[ "$(json .instance)" = "$(header X-Request-Id)" ]
	[[ $(header Proxy-Status) == 'wakegate; error='* ]] ||
		fail "Proxy-Status: $(header Proxy-Status)"
	[ "$(header Cache-Control)" = no-store ]
	[ -n "$(header X-Request-Id)" ]
}

@test "starting: 503 with Retry-After when it is not ready within wait_s" {
	FLAGS=(--boot-ms 4000)
	write_config '.gateways.fake.wait_s = 1'
	start_lighttpd
	get /pid
	problem 503 starting
	[ "$(header Retry-After)" -ge 1 ]
	[ "$(json .retry_after)" = "$(header Retry-After)" ]
	[ "$(json .gateway)" = fake ]
	[ "$(json .generation)" = 1 ]
	[ "$(json .retried)" = false ]
	[ "$(gateway_starts)" -eq 1 ]
	eventually 8 row_is state ready
	get /pid
	[ "$code" = 200 ]
}

@test "failed: 503 with the reason, and what may help" {
	FLAGS=(--exit-before-listen 78)
	write_config
	start_lighttpd
	get /pid
	problem 503 failed
	[ "$(json '.hint | length > 0')" = true ]
}

@test "problems are alike under mod_fcgid and CGI" {
	local server

	FLAGS=(--exit-before-listen 78)
	write_config
	for server in apache apache_cgi lighttpd_cgi; do
		start_web "$server"
		get /pid
		problem 503 failed
		stop_servers
	done
}

@test "held: 503 until start" {
	write_config
	start_lighttpd
	get /pid
	wg stop --hold
	get /pid
	problem 503 held
	[ "$(gateway_starts)" -eq 1 ]
	wg start
	get /pid
	[ "$code" = 200 ]
}

@test "overloaded: 503 when more than waiting_max wait" {
	FLAGS=(--boot-ms 8000)
	write_config '.gateways.fake.waiting_max = 3'
	start_lighttpd
	run many 12 /pid
	[ "${lines[0]}" = "200 3" ] || fail "$output"
	[ "${lines[1]}" = "503 9" ] || fail "$output"
	wg stop
	get /pid
	[ "$code" = 200 ]
}

# So many places are locked: the lock file's bytes from the third.
waiting_are() {
	[ "$(grep -cE ":$(stat -c %i "$STATE/fake.lock") ([2-9]|[0-9]{2,}) " \
		/proc/locks)" -eq "$1" ]
}

@test "overloaded is a problem; places of waiters that died are free again" {
	local i pids=()

	FLAGS=(--boot-ms 8000)
	write_config '.gateways.fake.waiting_max = 2'
	for i in 1 2; do
		cgi_run GET /pid >"$RUN/out.$i" 2>>"$RUN/cgi.log" &
		pids+=($!)
	done
	eventually 5 waiting_are 2
	cgi GET /pid
	[ "$code" = 503 ]
	grep -q '"overloaded"' "$RUN/cgi"
	for i in $(our_workers); do kill -KILL "$i"; done
	eventually 5 no_workers
	cgi GET /pid
	[ "$code" = 200 ]
	wait "${pids[@]}" || true
}

@test "gateway_timeout: 504, and a slow body is none" {
	write_config '.gateways.fake.response_timeout_s = 1'
	start_lighttpd
	get '/slow?ms=3000'
	problem 504 gateway_timeout
	get '/slow?ms=1500&head=1'
	[ "$code" = 200 ]
	[ "$body" = slow ]
}

@test "not_found: no gateway is mounted there" {
	write_config '.gateways.fake.mount = "/app"'
	start_lighttpd
	get /pid
	problem 404 not_found
	get /apple
	problem 404 not_found
}

@test "not_configured: 500 when the configuration cannot be read" {
	echo '{' >"$CONFIG"
	cgi GET /pid
	[ "$code" = 500 ]
	grep -q not_configured "$RUN/cgi"
	WAKEGATE_CONFIG=$RUN/none.json CONFIG=$RUN/none.json cgi GET /pid
	[ "$code" = 500 ]
	rm "$CONFIG"
}

@test "a bad new configuration leaves the old one in force, and is told" {
	write_config
	start_lighttpd
	get /pid
	echo '{ "gateways": ' >"$CONFIG"
	sleep 0.7
	get /pid
	[ "$code" = 200 ]
	grep -rqs 'wakegate.json' "$RUN/server.log" "$RUN/lighttpd.log"
	write_config '.gateways.fake.no_wake = ["/pid"]'
	sleep 0.7
	wg stop
	get /pid
	[ "$code" = 503 ]
}

@test "a moved state_dir needs no new worker" {
	local old=$STATE pid

	write_config
	start_lighttpd
	get /pid
	pid=$body
	wg stop
	STATE=$RUN/moved
	write_config
	sleep 0.7
	get /pid
	[ "$code" = 200 ]
	[ "$body" != "$pid" ]
	[ "$(row generation)" = 1 ]
	[ "$(row state)" = ready ]
	[ "$(sqlite3 "$old/wakegate.db" 'SELECT state FROM gateway')" = stopped ]
}

@test "errors are a page for who accepts HTML" {
	FLAGS=(--exit-before-listen 78)
	write_config '.gateways.fake.loading_page = false'
	start_lighttpd
	get /pid -H 'Accept: text/html'
	[ "$code" = 503 ]
	[[ $(header Content-Type) == text/html* ]]
	[[ $body == *'<html'* ]]
	[ -n "$(header X-Request-Id)" ]
}

@test "errors echo nothing of the request" {
	FLAGS=(--exit-before-listen 78)
	write_config
	start_lighttpd
	get '/secret-path?<script>' -H 'X-Odd: secret-field'
	[ "$code" = 503 ]
	never grep -q 'secret\|script' "$RUN/body" "$RUN/head"
	get '/secret-path?<script>' -H 'Accept: text/html'
	never grep -q 'secret' "$RUN/body" "$RUN/head"
}

@test "a HEAD that fails has no body" {
	FLAGS=(--exit-before-listen 78)
	write_config
	start_lighttpd
	get /pid --head
	[ "$code" = 503 ]
	[ -n "$(header X-Request-Id)" ]
	cgi HEAD /pid
	[ "$code" = 503 ]
	[ -z "$(sed '1,/^\r*$/d' "$RUN/cgi")" ]
}

@test "a browser gets the loading page at once, and the gateway is started" {
	local begin

	FLAGS=(--boot-ms 8000)
	write_config
	start_lighttpd
	begin=$(now_ms)
	get / -H 'Accept: text/html,application/xhtml+xml'
	(($(now_ms) - begin < 4000))
	[ "$code" = 503 ]
	[[ $(header Content-Type) == text/html* ]]
	[ "$(header Retry-After)" -ge 1 ]
	[ "$(header Cache-Control)" = no-store ]
	[[ $body == *refresh* || -n "$(header Refresh)" ]]
	eventually 20 row_is state ready
	get / -H 'Accept: text/html,application/xhtml+xml'
	[ "$code" = 200 ]
	[[ $body == *'A gateway'* ]]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "loading_page false: a browser waits like everybody" {
	FLAGS=(--boot-ms 500)
	write_config '.gateways.fake.loading_page = false'
	start_lighttpd
	get / -H 'Accept: text/html'
	[ "$code" = 200 ]
}

@test "/api/status tells, and starts nothing" {
	write_config
	start_lighttpd
	get /api/status
	[ "$code" = 503 ]
	[ -n "$(header Retry-After)" ]
	[ "$(json .ok)" = false ]
	[ "$(json .status)" = stopped ]
	[ "$(json .gateway)" = fake ]
	sleep 0.5
	[ "$(gateway_starts)" -eq 0 ]
	get /pid
	get /api/status
	[ "$code" = 200 ]
	[[ $(header Content-Type) == application/json* ]]
	[ "$(json .ok)" = true ]
	[ "$(json .status)" = ready ]
	[ "$(json .generation)" = 1 ]
	[ "$(json 'has("since") and has("eta_s") and has("progress")
		and has("reason") and has("retry_at")')" = true ] || fail "$body"
}

@test "/api/status does not tell a gateway as ready that went with its machine" {
	write_config
	wg start
	kill -KILL "$(row owner_pid)"
	kill -KILL "$(row pid)"
	start_lighttpd
	eventually 5 port_closed "$GATEWAY_PORT"
	[ "$(row state)" = ready ]
	get /api/status
	[ "$code" = 503 ]
	[ "$(json .status)" = stopped ]
	get /pid
	[ "$code" = 200 ]
	get /api/status
	[ "$code" = 200 ]
}

@test "/api/status takes GET and HEAD only: 405 with Allow" {
	write_config
	start_lighttpd
	get /api/status -X POST -d ''
	problem 405 method_not_allowed
	[[ $(header Allow) == *GET* ]]
}

@test "no_wake paths start nothing, and pass when the gateway runs" {
	write_config '.gateways.fake.no_wake = ["/favicon.ico", "/pid"]'
	start_lighttpd
	get /favicon.ico
	[ "$code" = 503 ]
	get /pid
	[ "$code" = 503 ]
	sleep 0.5
	[ "$(gateway_starts)" -eq 0 ]
	get /echo
	get /pid
	[ "$code" = 200 ]
}

@test "each answer of ours has an id of its own; the events know the starter" {
	local first

	FLAGS=(--boot-ms 1500)
	write_config '.gateways.fake.wait_s = 1'
	start_lighttpd
	get /pid
	first=$(header X-Request-Id)
	[ "$(query "SELECT count(*) FROM event WHERE kind = 'claimed'
		AND request = '$first'")" -eq 1 ]
	get /api/status
	get /favicon.ico -H 'X-Request-Id: mine'
	[ "$(header X-Request-Id)" != "$first" ]
}
