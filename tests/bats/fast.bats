#!/usr/bin/env bats
# The fast lane: the web server's own proxy carries the requests, and wakegate is
# there when there is nobody at home. And WebSockets, which it carries elsewhere, too.

load helper
load websocket

# Requests that wakegate passed on.
passed_on() {
	row 'coalesce(last_request_ms, 0)'
}

# lane SERVER: cold, warm, and after a crash.
lane() {
	local pid used

	write_config
	"start_$1"
	run many 30 /pid
	[ "$output" = "200 30" ] || fail "cold: $output"
	[ "$(gateway_starts)" -eq 1 ]
	sleep 1.2 # Apache tries the gateway itself again
	get /pid
	# warm: not even a wakegate that is stopped is missed
	kill -STOP "$SERVE"
	run many 30 /pid
	kill -CONT "$SERVE"
	[ "$output" = "200 30" ] || fail "warm: $output"
	kill -KILL "$(row pid)"
	eventually 5 port_closed "$GATEWAY_PORT"
	run many 30 /pid
	[ "$output" = "200 30" ] || fail "after a crash: $output"
	[ "$(gateway_starts)" -eq 2 ]
}

@test "nginx's fast lane: cold it wakes, warm it passes by, killed it recovers" {
	lane nginx_fast
}

@test "Apache's fast lane: cold it wakes, warm it passes by, killed it recovers" {
	lane apache_fast
}

# posts SERVER: a body that meets no gateway is not lost on the way to wakegate.
posts() {
	write_config
	"start_$1"
	head -c 300000 /dev/urandom >"$RUN/up"
	get '/echo?body=1' --data-binary @"$RUN/up"
	[ "$code" = 200 ]
	cmp "$RUN/up" "$RUN/body"
	[ "$(gateway_starts)" -eq 1 ]
}

@test "nginx's fast lane: a POST wakes, and arrives whole" {
	posts nginx_fast
}

@test "Apache's fast lane: a POST wakes, and arrives whole" {
	posts apache_fast
}

# address SERVER: wakegate knows the client, also on the way over the standby.
address() {
	write_config '.gateways.fake.forwarded = "x-forwarded"'
	"start_$1"
	get /echo --interface 127.0.0.7
	[ "$(json '.headers[] | select(.[0] == "X-Forwarded-For")[1]')" = \
		127.0.0.7 ]
	json '.headers[][0]' | never grep -qi standby
}

@test "nginx's fast lane: wakegate knows the client's address" {
	address nginx_fast
}

@test "Apache's fast lane: wakegate knows the client's address" {
	address apache_fast
}

# once SERVER: a POST that the gateway got, and died of, is not sent again.
once() {
	write_config
	"start_$1"
	get /pid
	sleep 1.2
	get /pid
	get '/count?die=1' -d once
	[ "$code" -ge 500 ]
	[ "$(wc -l <"$DELIVERIES")" -eq 1 ]
}

@test "nginx's fast lane: a POST is not delivered twice" {
	once nginx_fast
}

@test "Apache's fast lane: a POST is not delivered twice" {
	once apache_fast
}

# targets SERVER: the gateway gets what the client wrote, on each way to it.
targets() {
	local accept target='/echo/a%2Fb//c%20%3Fd;%7E?e=%26&f=%20'

	write_config
	"start_$1"
	get /pid
	sleep 1.2
	for accept in '*/*' text/event-stream; do
		get "$target" -H "Accept: $accept"
		[ "$code" = 200 ] || fail "$accept: $code"
		[ "$(json .target)" = "$target" ] || fail "$accept: $body"
	done
}

@test "nginx's fast lane: the target arrives as it was written, a stream's as well" {
	targets nginx_fast
}

@test "Apache's fast lane: the target arrives as it was written, a stream's as well" {
	targets apache_fast
}

# again SERVER METHOD TARGET [CURL OPTIONS]: the third request, which the gateway
# gets straight from the web server, and dies of before it answers.
again() {
	local server=$1 method=$2 target=$3

	shift 3
	FLAGS=(--crash-at-request 3)
	write_config
	"start_$server"
	get /pid
	sleep 1.2
	get /pid
	kill -STOP "$SERVE"
	(
		sleep 0.5
		kill -CONT "$SERVE"
	) 3>&- &
	get "$target" -X "$method" "$@"
	wait $!
}

# asks_again SERVER
asks_again() {
	again "$1" GET '/echo/a%2Fb//c%20%3Fd?e=%26&f' --interface 127.0.0.7 \
		-H 'Accept: text/event-stream, */*'
	[ "$code" = 200 ]
	[ "$(json .target)" = '/echo/a%2Fb//c%20%3Fd?e=%26&f' ]
	json '.headers[][0]' | never grep -qi standby
	[ "$(gateway_starts)" -eq 2 ]
}

@test "nginx's fast lane: a GET that the gateway ended under is answered by the next" {
	asks_again nginx_fast
}

@test "Apache's fast lane: a GET that the gateway ended under is answered by the next" {
	asks_again apache_fast
}

# asks_once SERVER
asks_once() {
	again "$1" POST '/echo?body=1' -d once
	[ "$code" = 502 ]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "nginx's fast lane: a POST that the gateway ended under is not sent again" {
	asks_once nginx_fast
}

@test "Apache's fast lane: a POST that the gateway ended under is not sent again" {
	asks_once apache_fast
}

@test "Apache's fast lane: a GET with a body is not sent again without it" {
	again apache_fast GET '/echo?body=1' -d once
	[ "$code" = 502 ]
	[ "$(gateway_starts)" -eq 1 ]
}

# status SERVER: wakegate's own path is answered, and wakes nothing.
status() {
	write_config
	"start_$1"
	get /api/status
	[ "$code" = 503 ]
	[ "$(json .status)" = stopped ]
	[ "$(gateway_starts)" -eq 0 ]
	get /pid
	get /api/status
	[ "$code" = 200 ]
}

@test "nginx's fast lane: the status is wakegate's" {
	status nginx_fast
}

@test "Apache's fast lane: the status is wakegate's" {
	status apache_fast
}

# websockets SERVER: to a gateway that sleeps, runs, was killed.
websockets() {
	write_config
	"start_$1"
	run ws --count 20 echo:1000 close:1000
	[ "$output" = "20 101 closed=1000 gone" ] || fail "cold: $output"
	run ws --count 20 echo:1000 close:1000
	[ "$output" = "20 101 closed=1000 gone" ] || fail "warm: $output"
	kill -KILL "$(row pid)"
	eventually 5 port_closed "$GATEWAY_PORT"
	run ws --count 20 echo:1000 close:1000
	[ "$output" = "20 101 closed=1000 gone" ] || fail "after a crash: $output"
	[ "$(gateway_starts)" -eq 2 ]
}

@test "nginx's fast lane: WebSockets wake, pass by, recover" {
	websockets nginx_fast
}

@test "Apache's fast lane: WebSockets wake, pass by, recover" {
	websockets apache_fast
}

# --- what wakegate does elsewhere, where the request goes past it ------------

start_lighttpd_authorizer() {
	start_lighttpd lighttpd-authorizer.conf
}

# each FUNCTION [SERVERS]: called with every server whose own proxy carries WebSockets,
# to a gateway that runs.
each() {
	local server what=$1

	shift
	(($#)) || set -- nginx_fast apache_fast nginx apache lighttpd_authorizer
	write_config
	for server; do
		echo "server: $server"
		start_web "$server"
		get /pid
		[ "$server" != apache_fast ] || sleep 1.2
		"$what" "$server"
		stop_servers
		wg stop >>"$RUN/stop.log"
		if [ -n "$SERVE" ]; then
			kill "$SERVE"
			eventually 10 gone "$SERVE"
			rm -f "$RUN/wakegate.sock"
			SERVE=''
		fi
	done
}

# fails SERVER
fails() {
	FLAGS=(--exit-before-listen 78)
	write_config
	"start_$1"
	get /pid
	[ "$code" = 503 ] || fail "$code $body"
	[ "$(json .code)" = failed ]
	[ "$(json .status)" = 503 ]
	[ "$(header Content-Type)" = application/problem+json ]
	[ "$(header Retry-After)" = 60 ]
	[ "$(json .instance)" = "$(header X-Request-Id)" ]
	[ "$(header X-Request-Id | wc -l)" -eq 1 ]
	handshake /ws
	[ "$code" = 503 ] || fail "WebSocket: $code $body"
	[ "$(json .code)" = failed ]
}

@test "nginx's fast lane: a gateway that can't be had is a problem" {
	fails nginx_fast
}

@test "Apache's fast lane: a gateway that can't be had is a problem" {
	fails apache_fast
}

foreign() {
	local UPGRADE

	for UPGRADE in websocket WebSocket; do
		handshake /ws -H 'Origin: http://evil.example'
		[ "$code" = 403 ] || fail "$UPGRADE: $code"
		[ "$(json .code)" = forbidden ]
	done
	run ws --field "Origin: http://127.0.0.1:$WEB_PORT" ping
	[ "$output" = '1 101' ] || fail "$output"
}

@test "a page of another host may not connect to a gateway that runs" {
	each foreign
}

# Not even in the spelling of an environment.
impostor() {
	local names=(-H 'X-Forwarded-User: root' -H 'X_Forwarded_User: root'
		-H 'X-Forwarded_User: root' -H 'X_Forwarded-User: root')

	handshake /echo "${names[@]}"
	[ "$code" = 200 ] || fail "$code $body"
	[[ $body == *Sec-WebSocket-Key* ]]
	[[ $body != *root* ]] || fail "WebSocket: $body"
	[[ $1 == *_fast ]] || return 0
	get /echo "${names[@]}"
	[ "$code" = 200 ] || fail "$code $body"
	[[ $body != *root* ]] || fail "$body"
	get /echo "${names[@]}" -H 'Accept: text/event-stream'
	[ "$code" = 200 ] || fail "$code $body"
	[[ $body != *root* ]] || fail "stream: $body"
}

@test "whom a client says to be does not reach the gateway" {
	each impostor
}

written() {
	local target='/echo/a%20b//c%3Fd;%7E%2F?e=%26&f=%20'

	handshake "$target"
	[ "$code" = 200 ] || fail "$code $body"
	[ "$(json .target)" = "$target" ] || fail "$body"
}

@test "a WebSocket's target arrives as it was written" {
	each written nginx_fast apache_fast nginx apache
}

token() {
	handshake /echo
	[[ $body == *'"Authorization","Bearer TOKEN"'* ]] || fail "WebSocket: $body"
	[[ $1 == *_fast ]] || return 0
	get /echo
	[[ $body == *'"Authorization","Bearer TOKEN"'* ]] || fail "$body"
}

@test "the line for a token that is a comment in conf/ gives it to the gateway" {
	local TOP_SRCDIR=$TOP_SRCDIR

	mkdir "$RUN/top"
	cp -r "$TOP_SRCDIR/conf" "$RUN/top/"
	TOP_SRCDIR=$RUN/top
	sed -i 's/#\(.*"Bearer TOKEN"\)/\1/' "$TOP_SRCDIR"/conf/*.conf
	each token
}
