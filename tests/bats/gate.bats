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

# From now on, no one else can write to the database, for SECONDS.
lock_database() {
	"${AS[@]}" sqlite3 -cmd '.timeout 5000' "$STATE/wakegate.db" \
		'BEGIN IMMEDIATE' \
		".shell touch '$RUN/locked'; sleep $1" ROLLBACK 3>&- &
	BACKGROUND+=($!)
	eventually 5 test -e "$RUN/locked"
}

# What stop_restore stops at each sync goes on, to its end.
go_on_restoring() {
	local pids

	while pids=$(pgrep -f "wakegate-snapshot -c $CONFIG restore"); do
		# shellcheck disable=SC2086  # several numbers
		kill -CONT $pids || true
		sleep 0.02
	done
}

@test "a restore that can't be written down is done once, and before the spawn" {
	write_state_config
	two_snapshots
	query 'UPDATE gateway SET restore_wanted = 1, restore_snapshot = 1'
	stop_restore
	wg start --no-wait
	eventually 10 restore_stopped
	lock_database 12
	go_on_restoring
	eventually 10 grep -q 'event=restore_done' "$STATE/wakegate.log"
	eventually 20 row_is state ready
	[ "$(row "restore_wanted || ifnull(restore_snapshot, '-')")" = 0- ]
	[ "$(gateway_starts)" -eq 2 ]
	has_forgotten late
	remember last
	wg restart
	remembers last
}

# The database of wakegate goes just before a restore says that it is done.
lose_database() {
	mkdir "$RUN/bin"
	cp "$WAKEGATE" "$RUN/bin/wakegate"
	WAKEGATE=$RUN/bin/wakegate
	cat >"$RUN/bin/wakegate-snapshot" <<-END
		#!/bin/bash
		set -- '$TOP_BUILDDIR/wakegate-snapshot' "\$@"
		[ "\$4" = restore ] || exec "\$@"
		# we are its parent: without --parent PID
		"\${@:1:\$#-2}" >'$RUN/restore.out'
		sed '\$d' '$RUN/restore.out'
		sleep 0.1
		rm -f '$STATE'/wakegate.db-*
		rm -f '$STATE/wakegate.db'
		tail -n 1 '$RUN/restore.out'
	END
	chmod +x "$RUN/bin/wakegate-snapshot"
}

@test "the database is lost at the end of a restore: it is done once" {
	write_state_config
	two_snapshots
	query 'UPDATE gateway SET restore_wanted = 1, restore_snapshot = 1'
	lose_database
	wg start
	[ "$(row restore_wanted)" = 0 ]
	[ "$(gateway_starts)" -eq 2 ]
	has_forgotten late
}

@test "a wish that comes during a restore is for the next start" {
	write_state_config
	two_snapshots
	query 'UPDATE gateway SET restore_wanted = 1, restore_snapshot = 1'
	stop_restore
	wg start --no-wait
	eventually 10 restore_stopped
	query 'UPDATE gateway SET restore_snapshot = 2'
	sleep 1
	go_on_restoring
	eventually 10 row_is state ready
	has_forgotten late
	[ "$(row 'restore_wanted || restore_snapshot')" = 12 ]
	wg restart
	remembers late
	[ "$(row restore_wanted)" = 0 ]
}
