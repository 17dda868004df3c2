#!/usr/bin/env bats
# The gate: a restore runs exactly when it must.

load helper
load state

# A snapshot that knows `early`, a gateway that is stopped.
one_snapshot() {
	wg start
	remember early
	wg backup
	wg stop
}

@test "50 cold at once with a restore due: one restore, before the one spawn" {
	write_state_config
	one_snapshot
	rm -rf "${DATA:?}"
	start_lighttpd
	run many 50 /state
	[ "$output" = "200 50" ] || fail "$output"
	[ "$(events_of restore_begin)" -eq 1 ]
	[ "$(events_of restore_done)" -eq 1 ]
	[ "$(events_of spawned)" -eq 2 ]
	[ "$(gateway_starts)" -eq 2 ]
	[ "$(query "SELECT max(id) FROM event WHERE kind = 'restore_done'")" -lt \
		"$(query "SELECT max(id) FROM event WHERE kind = 'spawned'")" ]
	remembers early
}

# shellcheck disable=SC2016  # the inner shell expands it
@test "50 CGI workers at once with a restore wanted: one restore" {
	write_state_config
	one_snapshot
	query 'UPDATE gateway SET restore_wanted = 1'
	env -i GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
		REQUEST_METHOD=GET REQUEST_URI=/pid SCRIPT_NAME= \
		PATH_INFO=/pid SERVER_NAME=x SERVER_PORT=80 HTTP_HOST=x \
		WAKEGATE_CONFIG="$CONFIG" ASAN_OPTIONS="$ASAN_OPTIONS" \
		sh -c 'i=0
		while [ $i -lt 50 ]; do
			"$1" >"$2/out.$i" 2>>"$2/cgi.log" &
			i=$((i + 1))
		done
		wait' sh "$WAKEGATE" "$RUN" 3>&-
	[ "$(grep -l '^Status: 200' "$RUN"/out.* | wc -l)" -eq 50 ]
	[ "$(events_of restore_done)" -eq 1 ]
	[ "$(gateway_starts)" -eq 2 ]
	[ "$(row restore_wanted)" = 0 ]
}

@test "none while it is ready, in 1,000 requests with reconnects" {
	local round

	write_state_config
	one_snapshot
	wg start
	remember late
	# even without a marker, and with one wanted: that is for the next start
	rm "$DATA/.wakegate-state"
	query 'UPDATE gateway SET restore_wanted = 1'
	start_lighttpd
	for round in {1..10}; do
		curl -sS -o /dev/null -w '%{http_code}\n' "$URL/pid?[1-100]" \
			>>"$RUN/codes"
		stop_connections
	done
	[ "$(grep -c '^200$' "$RUN/codes")" -eq 1000 ] ||
		fail "$(sort "$RUN/codes" | uniq -c)"
	[ "$(events_of restore_begin)" -eq 0 ]
	[ "$(events_of restore_done)" -eq 0 ]
	[ "$(row state)" = ready ]
	remembers late
}

# Workers and their connections go; others come.
stop_connections() {
	stop_servers
	SERVERS=()
	start_lighttpd
}

@test "none on adoption, whoever started it; and what was adopted is not backed up" {
	write_state_config
	one_snapshot
	rm -rf "${DATA:?}"
	start_by_hand
	remember late
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	[ "$(events_of adopted)" -eq 1 ]
	[ "$(events_of restore_begin)" -eq 0 ]
	remembers late
	has_forgotten early
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *not_restored* ]] || fail "$output"
}

@test "none when the keeper was killed: the gateway is adopted" {
	local keeper

	write_state_config
	one_snapshot
	wg start
	remember late
	query 'UPDATE gateway SET restore_wanted = 1'
	keeper=$(row owner_pid)
	kill -KILL "$keeper"
	eventually 5 gone "$keeper"
	wg start
	[ "$(events_of adopted)" -eq 1 ]
	[ "$(events_of restore_begin)" -eq 0 ]
	remembers late
	[ "$(row restore_wanted)" = 1 ]
	wg restart
	has_forgotten late
	remembers early
	[ "$(row restore_wanted)" = 0 ]
	wg restart
	[ "$(events_of restore_done)" -eq 1 ]
}

@test "none when the gateway restarts itself" {
	FLAGS=(--self-restart --closed-ms 300)
	write_state_config
	one_snapshot
	wg start
	remember late
	query 'UPDATE gateway SET restore_wanted = 1'
	start_lighttpd
	kill -USR2 "$(row pid)"
	sleep 0.1
	get '/state?key=late'
	[ "$code" = 200 ]
	[ "$(json '.row and .file')" = true ]
	[ "$(events_of restore_begin)" -eq 0 ]
}

@test "restore_wanted, set by hand with a snapshot's id, is honoured once" {
	write_state_config
	wg start
	remember early
	wg backup
	remember late
	wg backup
	query 'UPDATE gateway SET restore_wanted = 1, restore_snapshot = 1'
	wg restart
	remembers early
	has_forgotten late
	[ "$(row "restore_wanted || ifnull(restore_snapshot, '-')")" = 0- ]
	remember last
	wg restart
	remembers last
	[ "$(events_of restore_done)" -eq 1 ]
}

@test "a stop during a restore ends it; what was there is there" {
	write_state_config
	one_snapshot
	echo mine >"$DATA/mine"
	query 'UPDATE gateway SET restore_wanted = 1'
	stop_restore
	wg start --no-wait
	eventually 10 restore_stopped
	wg stop
	[ "$(row state)" = stopped ]
	[ "$(cat "$DATA/mine")" = mine ]
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(row restore_wanted)" = 1 ]
	wg start
	[ ! -e "$DATA/mine" ]
	eventually 5 no_remains
}

@test "restore by hand is refused: only the keeper does it" {
	write_state_config
	one_snapshot
	wg start
	remember late
	run snapshot_program restore fake
	[ "$status" -eq 1 ]
	[[ $output == *'"code":"busy"'* ]] || fail "$output"
	run snapshot_program restore --generation "$(row generation)" fake
	[ "$status" -eq 1 ]
	remembers late
	no_remains
}

@test "no backup configured: nothing is restored, marked or backed up" {
	write_state_config 'del(.gateways.fake.backup)'
	wg start
	[ ! -e "$DATA/.wakegate-state" ]
	run wg backup
	[ "$status" -eq 2 ]
	[[ $output == *backup_not_configured* ]] || fail "$output"
	run wg restore
	[ "$status" -ne 0 ]
	status_is 200
}
