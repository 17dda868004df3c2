#!/usr/bin/env bats
# FastCGI and CGI processes: how they leave, how many requests they answer, how
# small they are.

load helper

worker() {
	pgrep -P "${SERVERS[0]}" -f "^$WAKEGATE" | head -n 1
}

threads_of() {
	find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l
}

# leaves SIGNAL: an idle worker under lighttpd goes on it, and is replaced.
leaves() {
	local pid

	write_config
	start_lighttpd
	run many 10 /pid
	pid=$(worker)
	kill "-$1" "$pid"
	eventually 5 gone "$pid"
	get /pid
	[ "$code" = 200 ]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "a worker leaves on SIGTERM" {
	leaves TERM
}

@test "a worker leaves on SIGUSR1" {
	leaves USR1
}

# finishes SIGNAL: a busy worker answers first.
finishes() {
	local pid client

	write_config
	start_lighttpd
	get /pid
	curl -s -o "$RUN/slow" -D "$RUN/head" "$URL/slow?ms=1500&head=1" 3>&- &
	client=$!
	eventually 5 grep -qs 200 "$RUN/head"
	pid=$(worker)
	kill "-$1" "$pid"
	wait "$client"
	[ "$(cat "$RUN/slow")" = slow ]
	eventually 5 gone "$pid"
}

@test "a busy worker answers before it leaves on SIGTERM" {
	finishes TERM
}

@test "a busy worker answers before it leaves on SIGUSR1" {
	finishes USR1
}

@test "lighttpd stops with its worker, and the gateway stays" {
	local pid

	write_config
	start_lighttpd
	run many 30 /pid
	pid=$(worker)
	stop_servers
	eventually 5 gone "$pid"
	port_open "$GATEWAY_PORT"
	[ "$(row state)" = ready ]
}

@test "a graceful restart of lighttpd is not held up by its worker" {
	local pid

	write_config
	start_lighttpd
	get /pid
	pid=$(worker)
	kill -USR1 "${SERVERS[0]}"
	eventually 10 gone "$pid"
	eventually 10 get_is_200
	[ "$(gateway_starts)" -eq 1 ]
}

get_is_200() {
	get /pid
	[ "$code" = 200 ]
}

# spawned_fcgi: a worker of spawn-fcgi on the socket that lighttpd.conf names.
spawned_fcgi() {
	take_port
	WEB_PORT=$REPLY
	fill_in lighttpd.conf
	sed -i -e '/bin-path/d' -e '/max-procs/d' "$RUN/lighttpd.conf"
	spawn-fcgi -s "$RUN/wakegate.sock" -n -- "$WAKEGATE" -c "$CONFIG" \
		>>"$RUN/worker.log" 2>&1 3>&- &
	BACKGROUND+=($!)
	eventually 5 test -S "$RUN/wakegate.sock"
	start_server "$RUN/server.log" "$LIGHTTPD" -D -f "$RUN/lighttpd.conf"
}

@test "under spawn-fcgi a worker answers, and leaves on SIGTERM" {
	write_config
	spawned_fcgi
	run many 40 /pid
	[ "$output" = "200 40" ] || fail "$output"
	kill -TERM "${BACKGROUND[0]}"
	eventually 5 gone "${BACKGROUND[0]}"
	[ "$(gateway_starts)" -eq 1 ]
}

all_at_work() {
	[ "$(threads_of "$1")" -gt 64 ]
}

@test "who has connected to a worker that is told to leave is answered" {
	local client

	write_config
	spawned_fcgi
	get /pid
	# more than it has threads
	many 74 '/slow?ms=3000&n=' >"$RUN/many" 3>&- &
	client=$!
	eventually 10 all_at_work "${BACKGROUND[0]}"
	sleep 0.1
	kill -TERM "${BACKGROUND[0]}"
	wait "$client"
	[ "$(cat "$RUN/many")" = "200 74" ] || fail "$(cat "$RUN/many")"
	eventually 5 gone "${BACKGROUND[0]}"
}

workers_that_hear() {
	local pid

	for pid in $(our_workers); do
		if hears_term "$pid"; then echo "$pid"; fi
	done
}

@test "no request fails while workers are told to leave, under mod_fcgid" {
	local i pids=() workers

	write_config
	start_apache
	run many 10 /pid
	for i in {1..10}; do
		timeout 60 curl -s -o /dev/null -w '%{stderr}%{http_code}\n' \
			"$URL/pid?[1-1000]" 2>"$RUN/codes.$i" 3>&- &
		pids+=($!)
	done
	for i in {1..15}; do
		sleep 0.2
		mapfile -t workers < <(workers_that_hear)
		kill -TERM "${workers[@]}" 2>/dev/null || true
	done
	kill "${pids[@]}" 2>/dev/null || true
	wait "${pids[@]}" || true
	awk 1 "$RUN"/codes.* >"$RUN/all" # the last line of each may lack its end
	[ "$(grep -vc '^200$' "$RUN/all")" -eq 0 ] ||
		fail "$(sort "$RUN/all" | uniq -c)"
	[ "$(wc -l <"$RUN/all")" -gt 200 ]
}

@test "under spawn-fcgi a worker leaves on SIGUSR1" {
	write_config
	spawned_fcgi
	get /pid
	kill -USR1 "${BACKGROUND[0]}"
	eventually 5 gone "${BACKGROUND[0]}"
}

# tcp_fcgi ADDRESSES: a worker on a TCP socket that answers only these.
tcp_fcgi() {
	local port

	take_port
	port=$REPLY
	take_port
	WEB_PORT=$REPLY
	fill_in lighttpd.conf
	sed -i -e '/bin-path/d' -e '/max-procs/d' -e \
		"s|\"socket\" =>.*|\"host\" => \"127.0.0.1\", \"port\" => $port,|" \
		"$RUN/lighttpd.conf"
	FCGI_WEB_SERVER_ADDRS=$1 spawn-fcgi -a 127.0.0.1 -p "$port" -n -- \
		"$WAKEGATE" -c "$CONFIG" >>"$RUN/worker.log" 2>&1 3>&- &
	BACKGROUND+=($!)
	eventually 5 port_open "$port"
	start_server "$RUN/server.log" "$LIGHTTPD" -D -f "$RUN/lighttpd.conf"
}

@test "on TCP a worker answers those whom FCGI_WEB_SERVER_ADDRS names" {
	write_config
	tcp_fcgi 127.0.0.9,127.0.0.1
	get /pid
	[ "$code" = 200 ]
}

@test "on TCP a worker answers nobody whom FCGI_WEB_SERVER_ADDRS does not name" {
	write_config
	tcp_fcgi 127.0.0.9
	get /pid
	[ "$code" -ge 500 ]
	[ "$(gateway_starts)" -eq 0 ]
}

@test "one worker process answers up to 64 requests at once, in threads" {
	local begin took

	write_config
	start_lighttpd
	get /pid
	[ "$(threads_of "$(worker)")" -le 4 ]
	begin=$(now_ms)
	run many 60 '/slow?ms=4000&x='
	took=$(($(now_ms) - begin))
	[ "$output" = "200 60" ] || fail "$output"
	((took < 7500)) || fail "60 at once took $took ms"
	[ "$(pgrep -c -P "${SERVERS[0]}")" -eq 1 ]
	[ "$(threads_of "$(worker)")" -le 70 ]
}

@test "requests that wait keep no others from being answered" {
	local other took client

	take_port
	other=$REPLY
	FLAGS=(--boot-ms 9000)
	write_config ".gateways.other = (.gateways.fake | .mount = \"/echo\"
			| .address = \"127.0.0.1:$other\"
			| .command = [.command[0], \"--listen\", .address])
		| .gateways.fake.waiting_max = 90"
	start_lighttpd
	get /echo
	[ "$code" = 200 ]
	many 100 /pid >"$RUN/many" 3>&- &
	client=$!
	sleep 1
	took=$(now_ms)
	get /api/status
	[ "$code" = 503 ]
	get /echo
	[ "$code" = 200 ]
	took=$(($(now_ms) - took))
	((took < 5000)) || fail "held up for $took ms"
	wait "$client"
	[ "$(tr '\n' ' ' <"$RUN/many")" = '200 90 503 10 ' ] ||
		fail "$(cat "$RUN/many")"
}

@test "more requests than threads are answered in turn" {
	write_config
	start_lighttpd
	run many 150 '/slow?ms=300&x='
	[ "$output" = "200 150" ] || fail "$output"
}

@test "under mod_fcgid a worker stays at one thread for requests" {
	local pid

	write_config
	start_apache
	run many 20 '/slow?ms=300&x='
	[ "$output" = "200 20" ] || fail "$output"
	[ -n "$(our_workers)" ]
	for pid in $(our_workers); do
		[ "$(threads_of "$pid")" -le 2 ]
	done
}

@test "mod_fcgid's workers leave when Apache stops, and the gateway stays" {
	write_config
	start_apache
	run many 20 /pid
	stop_servers
	eventually 12 no_workers
	port_open "$GATEWAY_PORT"
}

@test "a gateway outlives the web server that woke it, and holds nothing of it" {
	local pid

	write_config
	start_lighttpd
	get /pid
	pid=$body
	# no descriptor of the web server's: its log, its socket
	[ -z "$(find "/proc/$pid/fd" -lname '*lighttpd*' | grep . || true)" ]
	[ "$(find "/proc/$pid/fd" -lname 'pipe:*' | wc -l)" -eq 0 ]
	stop_servers
	sleep 0.3
	alive "$pid"
	start_lighttpd
	get /pid
	[ "$body" = "$pid" ]
}

@test "the gateway gets its environment, and nothing of the request" {
	local id

	FLAGS=(--env-file "$RUN/env")
	write_config '.gateways.fake.environment = {"MINE": "yes"}'
	HTTP_PROXY=evil cgi GET '/pid?q' HTTP_COOKIE=secret HTTP_PROXY=evil
	[ "$code" = 200 ]
	id=$(<"$STATE/wakegate.id")
	grep -qx "MINE=yes" "$RUN/env"
	grep -qx "WAKEGATE_INSTANCE=$id/fake/1" "$RUN/env"
	never grep -q 'HTTP_\|REQUEST_\|GATEWAY_INTERFACE\|secret' "$RUN/env"
}

small() {
	local name=$1 pid=$2

	awk -v name="$name" '
		/^Rss:/ { rss = $2 } /^Private_Dirty:/ { dirty = $2 }
		END { print name, "private dirty", dirty, "kB, RSS", rss, "kB"
			exit !(dirty < 1024 && rss < 5120) }' \
		"/proc/$pid/smaps_rollup"
}

@test "worker and keeper: under 1 MB of private dirty memory and 5 MB RSS" {
	never grep -qs 'libasan\|__asan' "$WAKEGATE" || skip "built with sanitizers"
	write_config
	start_lighttpd
	get /pid
	get '/big?bytes=1000000'
	for _ in {1..10}; do many 8 /pid; done
	# what a crowd needed is given back when it has gone; spare threads
	# leave after 10 s
	eventually 13 small worker "$(worker)"
	small keeper "$(row owner_pid)"
}
