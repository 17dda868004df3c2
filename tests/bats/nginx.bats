#!/usr/bin/env bats
# nginx in front of `wakegate serve`: wake, crash, streams, bodies.

load helper

@test "behind nginx 100 requests to a cold gateway start it once and get 200" {
	FLAGS=(--boot-ms 300)
	write_config
	start_nginx
	run many 100 /pid
	[ "$output" = "200 100" ] || fail "$output"
	[ "$(gateway_starts)" -eq 1 ]
}

# under_load: GETs in a loop, until $RUN/enough is there.
under_load() {
	until [ -e "$RUN/enough" ]; do
		curl -s -Z --parallel-max 8 --max-time 60 -o /dev/null \
			-w '%{http_code}\n' "$URL/pid?[1-50]" >>"$RUN/codes"
	done
}

@test "behind nginx a killed gateway is replaced, and GETs see only 200" {
	local i load

	write_config
	start_nginx
	get /pid
	under_load 3>&- &
	load=$!
	for i in 1 2 3; do
		sleep 0.7
		kill -KILL "$(row pid)"
		eventually 10 row_is generation $((i + 1))
		eventually 10 row_is state ready
	done
	sleep 0.3
	touch "$RUN/enough"
	wait "$load"
	[ "$(sort -u "$RUN/codes")" = 200 ] || fail "$(sort "$RUN/codes" | uniq -c)"
	[ "$(gateway_starts)" -eq 4 ]
}

@test "behind nginx a POST is not delivered twice" {
	write_config
	start_nginx
	get '/count?die=1' -d once
	[ "$code" = 502 ]
	[ "$(json .code)" = gateway_closed ]
	[ "$(wc -l <"$DELIVERIES")" -eq 1 ]
	get /count -d twice
	[ "$code" = 200 ]
}

@test "behind nginx events leave as they come" {
	local lag

	write_config
	start_nginx
	get /pid
	# a busy machine may delay some runs; 15 in a row are our fault
	for _ in {1..15}; do
		lag=$(events_lag)
		((lag >= 50)) || return 0
	done
	fail "an event was $lag ms late"
}

@test "behind nginx bodies pass both ways, whole" {
	write_config
	start_nginx
	head -c 3000000 /dev/urandom >"$RUN/up"
	get '/echo?body=1' --data-binary @"$RUN/up"
	cmp "$RUN/up" "$RUN/body"
	get '/echo?body=1' -H 'Transfer-Encoding: chunked' \
		--data-binary @"$RUN/up"
	cmp "$RUN/up" "$RUN/body"
	get /early413 --data-binary @"$RUN/up"
	[ "$code" = 413 ]
	get /pid
	[ "$code" = 200 ]
}

@test "behind nginx the path and the query arrive as they were written" {
	write_config
	start_nginx
	get '/echo/%2F//a%20b?q=%26&r'
	get '/echo?a=%2F//b' -H 'X-One: 1'
	[ "$(json .target)" = '/echo?a=%2F//b' ]
}

established() {
	ss -Htn state established "( sport = :$GATEWAY_PORT )" | wc -l
}

connects() {
	[ "$(established)" -ge 1 ]
}

connects_not() {
	[ "$(established)" -eq 0 ]
}

@test "behind nginx a client that goes away is noticed while the gateway is silent" {
	write_config '.gateways.fake.keepalive_s = 0'
	start_nginx
	get /pid
	eventually 5 connects_not
	curl -s -o /dev/null --max-time 60 "$URL/hang" 3>&- &
	eventually 5 connects
	kill -KILL $!
	eventually 10 connects_not
}

@test "behind nginx errors of wakegate come through as they are" {
	FLAGS=(--exit-before-listen 78)
	write_config
	start_nginx
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = failed ]
	[ -n "$(header Proxy-Status)" ]
}
