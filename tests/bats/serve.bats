#!/usr/bin/env bats
# `wakegate serve`: its socket, its threads, how it leaves.

load helper
load fcgi

threads_of() {
	find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l
}

descriptors_of() {
	find "/proc/$1/fd" -mindepth 1 -maxdepth 1 | wc -l
}

has_descriptors() {
	[ "$(descriptors_of "$1")" -ge "$2" ]
}

@test "a Unix socket of serve is its owner's only, and goes with it" {
	write_config
	serve "$RUN/a.sock"
	[[ $(stat -c %a "$RUN/a.sock") == [67]00 ]]
	eventually 5 hears_term "$SERVE"
	kill -TERM "$SERVE"
	eventually 5 gone "$SERVE"
	[ ! -e "$RUN/a.sock" ]
}

@test "serve replaces the socket of one that was killed, and none that is in use" {
	write_config
	start_nginx
	run wg serve --listen "$RUN/wakegate.sock"
	[ "$status" -eq 1 ]
	[[ $output == *"somebody listens"* ]]
	kill -KILL "$SERVE"
	eventually 5 gone "$SERVE"
	[ -S "$RUN/wakegate.sock" ]
	get /pid
	[ "$code" = 502 ]
	serve "$RUN/wakegate.sock"
	eventually 10 answers
}

answers() {
	get /pid
	[ "$code" = 200 ]
}

@test "serve replaces no file that is not a socket" {
	write_config
	echo precious >"$RUN/file"
	run wg serve --listen "$RUN/file"
	[ "$status" -eq 1 ]
	[ "$(cat "$RUN/file")" = precious ]
}

@test "serve without an address, or with a bad one, says so" {
	write_config
	run wg serve
	[ "$status" -eq 2 ]
	run wg serve --listen nowhere
	[ "$status" -eq 2 ]
}

# leaves SIGNAL: within a second when idle, three times. A busy machine may delay one
# more.
leaves() {
	local begin good=0 slow='' took

	write_config
	start_nginx
	while ((good < 3)); do
		run many 20 /pid
		[ "$output" = "200 20" ] || fail "$output"
		begin=$(now_ms)
		kill "-$1" "$SERVE"
		eventually 5 gone "$SERVE"
		took=$(($(now_ms) - begin))
		wait "$SERVE"
		if ((took < 1000)); then
			good=$((good + 1))
		else
			[ -z "$slow" ] || fail "$slow ms, $took ms"
			slow=$took
		fi
		serve "$RUN/wakegate.sock"
	done
}

@test "serve leaves within a second on SIGTERM, whatever connections are kept" {
	leaves TERM
}

@test "serve leaves within a second on SIGUSR1, whatever connections are kept" {
	leaves USR1
}

gateway_is_asked() {
	[ -n "$(ss -Htn state established "sport = :$GATEWAY_PORT")" ]
}

@test "serve answers the requests in flight before it leaves" {
	local client

	write_config '.gateways.fake.keepalive_s = 0'
	start_nginx
	get /pid
	eventually 10 never gateway_is_asked
	curl -s -o "$RUN/slow" "$URL/slow?ms=4000" 3>&- &
	client=$!
	eventually 10 gateway_is_asked
	kill -TERM "$SERVE"
	wait "$client"
	[ "$(cat "$RUN/slow")" = slow ]
	eventually 5 gone "$SERVE"
}

# nginx_before ADDRESS: nginx, without a `wakegate serve` of its own.
nginx_before() {
	take_port
	WEB_PORT=$REPLY
	fill_in nginx.conf
	fill_in nginx-websocket.conf
	sed -i "s|server unix:.*wakegate.sock;|server $1;|" "$RUN/nginx.conf"
	start_server "$RUN/server.log" "$NGINX" -c "$RUN/nginx.conf"
}

@test "1000 connections that are kept open wait without a thread, and others are served" {
	local i fd request port slowest

	ulimit -n 4096
	write_config
	become_www_data
	take_port
	port=$REPLY
	serve "127.0.0.1:$port" --threads 8
	nginx_before "127.0.0.1:$port"
	request=$(fcgi_request)
	declare -a kept
	for ((i = 0; i < 1000; i++)); do
		exec {fd}<>"/dev/tcp/127.0.0.1/$port"
		kept+=("$fd")
		# some have had a request before, the others are only silent
		if ((i % 50 == 0)); then
			printf '%b' "$request" >&"$fd"
			timeout 20 head -c 40 <&"$fd" | tr -d '\0' |
				grep -q 'Status: 200'
		fi
	done
	eventually 30 has_descriptors "$SERVE" 1000
	[ "$(threads_of "$SERVE")" -le 10 ]
	slowest=$(curl -s -o /dev/null -w '%{http_code} %{time_total}\n' \
		"$URL/pid?[1-100]" | sort | tail -n 10 | head -n 1)
	[[ $slowest == "200 0.0"* || $slowest == "200 0.1"* ]] || fail "$slowest"
	# a kept one is served whenever it speaks
	printf '%b' "$request" >&"${kept[999]}"
	timeout 20 head -c 40 <&"${kept[999]}" | tr -d '\0' |
		grep -q 'Status: 200'
	[ "$(threads_of "$SERVE")" -le 10 ]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "more requests than threads are answered in turn, on kept connections too" {
	write_config
	become_www_data
	serve "$RUN/wakegate.sock" --threads 4
	nginx_before "unix:$RUN/wakegate.sock"
	get /pid # those that wait for a start have threads of their own
	run many 60 '/slow?ms=100&x='
	[ "$output" = "200 60" ] || fail "$output"
	run many 60 '/slow?ms=100&x='
	[ "$output" = "200 60" ] || fail "$output"
	[ "$(threads_of "$SERVE")" -le 6 ]
}

@test "nginx's connections are kept: hundred requests need few of them" {
	write_config
	start_nginx
	for _ in $(seq 100); do get /pid; done
	[ "$code" = 200 ]
	(($(descriptors_of "$SERVE") < 40))
	[ "$(ss -Hxa state established src "$RUN/wakegate.sock" | wc -l)" -ge 1 ]
}

@test "serve takes the socket that systemd passes on" {
	write_config
	become_www_data
	# spawn-fcgi(1) makes a socket; the variables are those of a unit
	background "${AS[@]}" spawn-fcgi -s "$RUN/wakegate.sock" -n -- \
		/bin/sh -c "exec 3<&0 </dev/null
		LISTEN_FDS=1 LISTEN_PID=\$\$ exec '$WAKEGATE' -c '$CONFIG' serve"
	SERVE=$!
	eventually 5 test -S "$RUN/wakegate.sock"
	nginx_before "unix:$RUN/wakegate.sock"
	run many 20 /pid
	[ "$output" = "200 20" ] || fail "$output"
	kill -TERM "$SERVE"
	eventually 5 gone "$SERVE"
	[ -S "$RUN/wakegate.sock" ] # the unit's
}

@test "Apache's mod_proxy_fcgi reaches serve: wake, streams, kept connections" {
	write_config
	start_apache_proxy_fcgi
	run many 50 /pid
	[ "$output" = "200 50" ] || fail "$output"
	[ "$(gateway_starts)" -eq 1 ]
	run many 50 '/slow?ms=200&x='
	[ "$output" = "200 50" ] || fail "$output"
	get '/sse?n=3&ms=50'
	[ "$(grep -c data: "$RUN/body")" -eq 3 ]
	kill -KILL "$(row pid)"
	get /pid
	[ "$code" = 200 ]
}
