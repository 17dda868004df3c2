#!/usr/bin/env bats
# Clients and gateways that keep a worker's threads waiting.

load helper

# serve_with THREADS: behind nginx.
serve_with() {
	become_www_data
	serve "$RUN/wakegate.sock" --threads "$1"
	take_port
	WEB_PORT=$REPLY
	fill_in nginx.conf
	# one, that knows of all connections that are kept
	sed -i 's/^worker_processes .*/worker_processes 1;/' "$RUN/nginx.conf"
	fill_in nginx-websocket.conf
	start_server "$RUN/server.log" "$NGINX" -c "$RUN/nginx.conf"
}

answers_at_once() {
	curl -sf --max-time 1 -o /dev/null "$URL/api/status"
}

@test "clients that do not read their responses keep no others waiting" {
	write_config
	serve_with 4
	get /pid
	for _ in {1..8}; do
		background curl -s --limit-rate 1 -o /dev/null \
			"$URL/big?bytes=50000000"
	done
	eventually 20 gateway_connections_are 8
	eventually 10 answers_at_once
	eventually 10 answers_at_once
}

@test "clients that send their bodies slowly keep no others waiting" {
	write_config
	serve_with 4
	get /pid
	for _ in {1..8}; do
		background curl -s --limit-rate 1k -o /dev/null \
			--data-binary "@$FAKE_GATEWAY" "$URL/count"
	done
	eventually 20 gateway_connections_are 8
	eventually 10 answers_at_once
	eventually 10 answers_at_once
}

# It listens and accepts nobody: when a few stand in line, the others can't join.
@test "clients that go while a gateway accepts nobody leave no thread behind" {
	COMMAND=(perl -MIO::Socket::UNIX -e '
		$s = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die;
		sleep 600' "$RUN/gateway.sock")
	GATEWAY_ADDRESS=unix:$RUN/gateway.sock
	write_config 'del(.gateways.fake.probe)'
	serve_with 1
	for _ in {1..6}; do
		run curl -s --max-time 1 -o /dev/null "$URL/"
	done
	eventually 3 answers_at_once
}

is_refused() {
	local result=0

	curl -s --max-time 1 --unix-socket "$RUN/wakegate.sock" -o /dev/null \
		http://localhost/ || result=$?
	[ "$result" -eq 7 ]
}

@test "a worker that leaves answers who has a connection, as long as it is busy" {
	local client

	write_config '.gateways.fake.keepalive_s = 0'
	serve_with 4
	run many 8 '/slow?ms=200&x='
	[ "$output" = "200 8" ] || fail "$output"
	eventually 10 gateway_connections_are 0
	curl -s -o "$RUN/slow" "$URL/slow?ms=6000" 3>&- &
	client=$!
	eventually 10 gateway_connections_are 1
	kill -TERM "$SERVE"
	eventually 10 is_refused
	get /pid
	[ "$code" = 200 ] || fail "$code $body"
	alive "$SERVE"
	wait "$client"
	[ "$(cat "$RUN/slow")" = slow ]
	eventually 3 gone "$SERVE"
}
