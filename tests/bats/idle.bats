#!/usr/bin/env bats
# A gateway that nobody uses is stopped; one that is used is not; no request is
# lost over it; one that is always on comes back by itself.

load helper

: "${ROUNDS:=4}" # in full: 50, with BATS_TEST_TIMEOUT=900
: "${SILENCE_S:=65}" # in full: 150, with BATS_TEST_TIMEOUT=300

state_is() {
	row_is state "$1"
}

# When this machine made nobody wait, and for how many ms: in $RUN/pauses.
note_pauses() {
	# shellcheck disable=SC2016  # perl expands it
	perl -MTime::HiRes=time,sleep -e '
		for ($| = 1;;) {
			my $at = time;
			sleep(0.05);
			my $late = (time - $at) * 1000 - 50;
			printf("%d %d\n", $at * 1000, $late) if $late > 20;
		}' >"$RUN/pauses" 3>&- &
	BACKGROUND+=($!)
}

# idle_config [JQ FILTER]: stops after 3 s.
idle_config() {
	note_pauses
	FLAGS+=(--uses "$RUN/uses")
	write_config ".gateways.fake.idle_stop_s = 3 | ${1:-.}"
}

# slowly COMMAND...: leaves the others some of the machine.
slowly() {
	sleep 0.3
	"$@"
}

# stops_after MS [EVENT]: no earlier than 3 s after the gateway last sent something,
# and no later than 5 s after that time, when its client had ended; the machine's
# pauses come on top. EVENT: `stopping`, for who has many beside it.
stops_after() {
	local at early late pauses

	eventually 20 slowly state_is stopped
	at=$(query "SELECT max(at_ms) FROM event WHERE kind = '${2:-stopped}'")
	early=$((at - $(<"$RUN/uses")))
	late=$((at - $1))
	pauses=$(awk -v from="$1" '$1 >= from { ms += $2 }
		END { print ms + 0 }' "$RUN/pauses")
	((early >= 3000 && late <= 5000 + pauses)) ||
		fail "stopped after $early ms, $late ms ($pauses ms of pauses)"
	[ "$(row reason)" = idle ]
	port_closed "$GATEWAY_PORT"
}

# end_world: of at_once(). It is as a test's teardown.
end_world() {
	local result=$?

	stop_all || result=1
	((result == 0)) || show_logs
	exit "$result"
}

# at_once FUNCTION DOOR...: FUNCTION DOOR for each at the same time, each in a world
# of its own.
at_once() {
	local door failed=''
	declare -A worlds

	for door in "${@:2}"; do
		mkdir "$RUN/$door"
		(
			BATS_TEST_TMPDIR=$RUN/$door
			setup
			trap end_world EXIT
			"$1" "$door"
		) >"$RUN/$door.out" 2>&1 3>&- &
		worlds[$door]=$!
	done
	for door in "${@:2}"; do
		wait "${worlds[$door]}" || {
			failed+=" $door"
			sed "s/^/$door: /" "$RUN/$door.out"
		}
	done
	[ -z "$failed" ] || fail "failed:$failed"
}

@test "a gateway is stopped 3 to 5 s after its last response, and says why" {
	idle_config
	start_lighttpd
	get /pid
	sleep 1.2
	get /pid
	stops_after "$(now_ms)"
	[ "$(query "SELECT json_extract(detail, '\$.reason') FROM event
		WHERE kind IN ('stopping', 'stopped')" | sort -u)" = idle ]
	get /pid
	[ "$code" = 200 ]
	[ "$(gateway_starts)" -eq 2 ]
}

@test "an idle_stop_s that is changed while the gateway runs holds for it" {
	write_config '.gateways.fake.idle_stop_s = 20'
	start_lighttpd
	get /pid
	write_config '.gateways.fake.idle_stop_s = 2'
	eventually 8 row_is state stopped
	row_is reason idle
	[ "$(gateway_starts)" -eq 1 ]
}

@test "without idle_stop_s a gateway is not stopped" {
	write_config
	start_lighttpd
	get /pid
	sleep 5
	state_is ready
}

@test "status and no_wake paths do not keep a gateway awake" {
	local used

	idle_config '.gateways.fake.no_wake = ["/healthz"]'
	start_lighttpd
	get /pid
	used=$(now_ms)
	while ((SECONDS < 30)) && state_is ready; do
		get /healthz
		[ "$code" = 200 ] || [ "$code" = 503 ]
		get /api/status
		sleep 0.1
	done
	stops_after "$used"
	[ "$(gateway_starts)" -eq 1 ]
}

# stays_awake URL [EVENT]: while this one request lasts (for 10 s); see stops_after().
stays_awake() {
	local stream

	curl -sSN --max-time 60 -H 'Accept: text/event-stream' \
		-o "$RUN/stream" "$1" \
		2>>"$RUN/curl.log" 3>&- &
	stream=$!
	sleep 7
	alive "$stream"
	state_is ready
	[ "$(gateway_starts)" -eq 1 ]
	wait "$stream"
	[ "$(grep -c data: "$RUN/stream")" -eq 2 ]
	stops_after "$(now_ms)" "${2:-stopped}"
}

# streams DOOR
streams() {
	idle_config
	"start_$1"
	get /pid
	stays_awake "$URL/sse?n=2&ms=5000" stopping
}

@test "an event stream keeps the gateway awake, on every way" {
	at_once streams lighttpd lighttpd_cgi apache apache_cgi nginx nginx_fast \
		apache_proxy_fcgi apache_fast
}

start_lighttpd_authorizer() {
	start_lighttpd lighttpd-authorizer.conf
}

start_lighttpd_h2() {
	start_lighttpd_tls "$@"
	URL=https://127.0.0.1:$WEB_PORT
	export CURL_CA_BUNDLE=$RUN/cert.pem
}

start_lighttpd_authorizer_h2() {
	start_lighttpd_h2 lighttpd-authorizer.conf
}

# silent_ws DOOR: compressed frames as they are before and after the silence.
silent_ws() {
	local most=$((SILENCE_S + 60)) ms=${SILENCE_S}000

	if [[ $1 == *_h2 ]]; then
		timeout "$most" node "$TOP_SRCDIR/tests/fake/wsclient.mjs" h2 \
			"127.0.0.1:$WEB_PORT" "$RUN/cert.pem" '/ws?deflate=1' \
			4000 "-idle=$ms" \
			Sec-WebSocket-Extensions=permessage-deflate
	else
		timeout "$most" "$WSCLIENT" --connect "127.0.0.1:$WEB_PORT" \
			--field 'Sec-WebSocket-Extensions: permessage-deflate' \
			--path '/ws?deflate=1' rsv "idle:$ms" rsv ping close:4000
	fi
}

# is_silent DOOR
is_silent() {
	local client

	idle_config '.gateways.fake |= (.response_timeout_s = 2
		| .stream_idle_timeout_s = 2)'
	"start_$1"
	get /pid
	sleep 1.2 # Apache tries the gateway itself again
	silent_ws "$1" >"$RUN/ws" &
	client=$!
	sleep $((SILENCE_S - 2))
	alive "$client"
	state_is ready
	wait "$client"
	[[ $(<"$RUN/ws") == '1 101 deflate closed=4000 gone' ||
		$(<"$RUN/ws") == '200 deflate echo ping closed=4000 end' ]] ||
		fail "$(<"$RUN/ws")"
	[ "$(gateway_starts)" -eq 1 ]
	stops_after "$(now_ms)" stopping
}

@test "a WebSocket's silence does not end it, and it keeps the gateway awake, on every way" {
	at_once is_silent lighttpd lighttpd_h2 lighttpd_cgi lighttpd_authorizer \
		lighttpd_authorizer_h2 apache nginx nginx_fast apache_fast
}

# downloads DOOR: 80 MB in 20 s, of which sockets hold the last seconds' worth.
downloads() {
	local client

	idle_config
	"start_$1"
	get /pid
	curl -sS --limit-rate 4M --max-time 100 -o "$RUN/stream" \
		"$URL/big?bytes=80000000" 3>&- &
	client=$!
	sleep 15
	alive "$client"
	state_is ready
	wait "$client"
	[ "$(stat -c %s "$RUN/stream")" -eq 80000000 ]
	eventually 8 slowly state_is stopped
	[ "$(gateway_starts)" -eq 1 ]
}

@test "a slow download keeps the gateway awake, on every way" {
	at_once downloads lighttpd lighttpd_cgi apache apache_cgi nginx nginx_fast \
		apache_proxy_fcgi apache_fast
}

@test "a request that the gateway takes long to answer keeps it awake" {
	idle_config
	start_lighttpd
	get '/slow?ms=7000'
	[ "$code" = 200 ]
	stops_after "$(now_ms)"
	[ "$(gateway_starts)" -eq 1 ]
}

# spares DOOR: its spare connections do not keep the gateway awake.
spares() {
	idle_config
	"start_$1"
	run many 20 /pid
	[ "$output" = "200 20" ] || fail "$output"
	stops_after "$(now_ms)" stopping
}

@test "spare connections do not keep the gateway awake, on every way that has some" {
	at_once spares nginx nginx_fast apache_fast
}

@test "a connection that passes wakegate by keeps the gateway awake" {
	idle_config
	start_lighttpd
	get /pid
	stays_awake "$GATEWAY_URL/sse?n=2&ms=5000"
}

@test "a silent connection that somebody else keeps open keeps it awake" {
	idle_config
	start_lighttpd
	get /pid
	exec 9<>"/dev/tcp/127.0.0.1/$GATEWAY_PORT"
	printf 'GET /pid HTTP/1.1\r\nHost: x\r\n\r\n' >&9
	sleep 7
	state_is ready
	exec 9>&-
	stops_after "$(now_ms)"
}

@test "an idle stop works with a Unix socket" {
	GATEWAY_ADDRESS=unix:$RUN/gateway.sock
	idle_config
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	eventually 8 state_is stopped
	get '/slow?ms=5000'
	[ "$code" = 200 ]
	[ "$(gateway_starts)" -eq 2 ]
}

# Ten times twenty at once, one every 0.1 s.
volleys() {
	local i pids=()

	for ((i = 0; i < 10; i++)); do
		curl -s -Z --parallel-immediate --max-time 60 -o /dev/null \
			-w '%{http_code}\n' "$URL/pid?[1-20]" >>"$RUN/codes" 3>&- &
		pids+=($!)
		sleep 0.1
	done
	wait "${pids[@]}"
}

# When it was last stopped, in ms, or 0.
last_stop() {
	query "SELECT coalesce(max(at_ms), 0) FROM event WHERE kind = 'stopped'"
}

# around_the_stop SERVER: 200 requests over a second, ROUNDS times. Those that
# come before it keep the gateway awake, so a round counts only if it was stopped,
# less than 0.3 s before the first or later. Each begins when the last stop came, or
# later if there was none.
around_the_stop() {
	local begin counted=0 i last ms=3600 used

	idle_config
	"start_$1"
	for ((i = 0; counted < ROUNDS; i++)); do
		((i < 3 * ROUNDS + 9)) || fail "$counted stops in $i rounds"
		get /pid
		[ "$code" = 200 ]
		used=$(now_ms)
		sleep "${ms}e-3"
		begin=$(now_ms)
		volleys
		last=$(last_stop)
		((last < begin - 300)) || counted=$((counted + 1))
		ms=$((last > used ? last - used + RANDOM % 150 - 60 : ms + 120))
	done
	(($(gateway_starts) > ROUNDS)) || fail "$(gateway_starts) starts"
	last=$(sort "$RUN/codes" | uniq -c | awk '{ print $2, $1 }')
	[ "$last" = "200 $((200 * i))" ] || fail "$last"
}

@test "no request around the moment of the stop is lost: lighttpd" {
	around_the_stop lighttpd
}

@test "no request around the moment of the stop is lost: nginx" {
	around_the_stop nginx
}

@test "no request around the moment of the stop is lost: nginx, fast lane" {
	around_the_stop nginx_fast
}

@test "no request around the moment of the stop is lost: Apache, fast lane" {
	around_the_stop apache_fast
}

@test "no POST around the moment of the stop is lost or delivered twice" {
	local i

	FLAGS=(--boot-ms 50)
	write_config '.gateways.fake.idle_stop_s = 1'
	start_lighttpd
	get /pid
	for ((i = 1; i <= 25; i++)); do
		sleep "1.$((RANDOM % 6))$((RANDOM % 10))"
		seq 8 | xargs -P 8 -I N curl -s -o /dev/null --max-time 60 \
			-w '%{http_code}\n' -d "post $i N" "$URL/count" \
			>>"$RUN/codes"
	done
	[ "$(sort "$RUN/codes" | uniq -c | awk '{ print $2, $1 }')" = "200 200" ]
	[ "$(sort -u "$DELIVERIES" | wc -l)" -eq 200 ]
	[ "$(wc -l <"$DELIVERIES")" -eq 200 ]
	(($(gateway_starts) > 3))
}

@test "a gateway that is being stopped answers the request that came meanwhile after its next start" {
	FLAGS=(--ignore-term)
	write_config '.gateways.fake |= (.idle_stop_s = 1 | .stop_timeout_s = 2)'
	start_lighttpd
	get /pid
	eventually 5 state_is stopping
	sleep 0.3
	get /pid
	[ "$code" = 200 ]
	[ "$(gateway_starts)" -eq 2 ]
}

@test "a person's wish in the middle of an idle stop is heard" {
	FLAGS=(--ignore-term)
	write_config '.gateways.fake |= (.idle_stop_s = 1 | .stop_timeout_s = 2)'
	start_lighttpd
	get /pid
	eventually 5 state_is stopping
	wg stop --hold
	[ "$(row reason)" = held ]
}

@test "a gateway that is always on is started again without a request" {
	local pid

	write_config '.gateways.fake.always_on = true'
	wg start
	pid=$(row pid)
	kill -KILL "$pid"
	eventually 10 row_is generation 2
	eventually 10 state_is ready
	[ "$(gateway_starts)" -eq 2 ]
	[ "$(row pid)" != "$pid" ]
}

@test "one that is always on and crashes again and again waits as it should, and comes back" {
	FLAGS=(--exit-code 3 --exit-after-ms 10)
	write_config '.gateways.fake |= (.always_on = true | .max_failures = 3)'
	run wg start
	eventually 20 state_is failed
	[ "$(row reason)" = max_failures ]
	[ "$(gateway_starts)" -eq 3 ]
	FLAGS=()
	write_config '.gateways.fake.always_on = true'
	wg start
	state_is ready
}

@test "what a person stopped stays stopped, also when it is always on" {
	write_config '.gateways.fake.always_on = true'
	wg start
	wg stop
	sleep 1.5
	state_is stopped
	[ "$(gateway_starts)" -eq 1 ]
}

@test "a pause after crashes ends with a stop, too" {
	FLAGS=(--exit-code 3 --exit-after-ms 10)
	write_config '.gateways.fake.always_on = true'
	run wg start
	eventually 10 state_is cooldown
	wg stop
	sleep 3
	[ "$(row want)" = stop ]
	[ "$(gateway_starts)" -le 4 ]
	eventually 5 nothing_left
}

@test "start --all starts what is always on, and nothing else" {
	local other

	take_port
	other=$REPLY
	write_config '.gateways.fake.always_on = true
		| .gateways.other = (.gateways.fake | .mount = "/other"
			| .always_on = false | .address = "127.0.0.1:'"$other"'"
			| .command[2] = "127.0.0.1:'"$other"'")'
	wg start --all
	[ "$(row state fake)" = ready ]
	[ -z "$(row state other)" ]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "start --all leaves alone what a person holds" {
	write_config '.gateways.fake.always_on = true'
	wg start
	wg stop --hold
	wg start --all
	[ "$(row reason)" = held ]
}

@test "stop --all stops every gateway, those that never ran included" {
	local other

	take_port
	other=$REPLY
	write_config '.gateways.other = (.gateways.fake | .mount = "/other"
		| .address = "127.0.0.1:'"$other"'"
		| .command[2] = "127.0.0.1:'"$other"'")
		| .gateways.never = (.gateways.fake | .mount = "/never"
			| .address = "127.0.0.1:1")'
	wg start fake
	wg start other
	wg stop --all
	[ "$(row state fake)" = stopped ]
	[ "$(row state other)" = stopped ]
	port_closed "$GATEWAY_PORT"
	port_closed "$other"
	eventually 5 nothing_left

	wg start other
	wg stop --all --hold
	[ "$(row reason other)" = held ]
	[ "$(row reason fake)" = held ]
}
