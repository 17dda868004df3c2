#!/usr/bin/env bats
# The database: what people read in it, and what happens when it is lost.

load helper

own_teardown() {
	if [ -n "${MOUNTED:-}" ]; then
		stop_servers
		mount -o remount,rw,size=64m "$MOUNTED" 2>/dev/null || true
		rm -f "$MOUNTED/fill"
		stop_gateways
		eventually 8 nothing_left
		umount -l "$MOUNTED"
	fi
}

# small_state SIZE: state_dir is a file system of its own.
small_state() {
	((EUID == 0)) || skip "needs root, to mount a tmpfs"
	mkdir -p "$STATE"
	mount -t tmpfs -o "size=$1,mode=700" tmpfs "$STATE" ||
		skip "cannot mount a tmpfs here"
	MOUNTED=$STATE
}

@test "SELECT * FROM status is one readable line a gateway" {
	write_config
	wg start
	run query 'SELECT * FROM status'
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *fake* && $output == *ready* ]] || fail "$output"
	[[ $output =~ 20[0-9]{2}-[0-9]{2}-[0-9]{2}[T\ ][0-9]{2}:[0-9]{2} ]] ||
		fail "no UTC time: $output"
}

@test "the tables refuse what breaks their rules" {
	write_config
	wg start
	run query "UPDATE gateway SET state = 'nonsense'"
	[ "$status" -ne 0 ]
	run query "INSERT INTO event (at_ms, gateway, generation, kind)
		VALUES (1, 'fake', 1, 'nonsense')"
	[ "$status" -ne 0 ]
	[ "$(query 'PRAGMA journal_mode')" = wal ]
	[ "$(query 'PRAGMA user_version')" -ge 1 ]
}

@test "files of the state folder are their owner's only" {
	write_config
	wg start
	[ "$(stat -c %a "$STATE")" = 700 ]
	[ -z "$(find "$STATE" -type f -perm /077)" ]
}

@test "a corrupt database: moved aside, the running gateway adopted" {
	local pid

	write_config
	start_lighttpd
	get /pid
	pid=$body
	stop_servers
	kill -KILL "$(row owner_pid)"
	eventually 5 never pgrep -f "$CONFIG keep"
	rm -f "$STATE"/wakegate.db-*
	head -c 100000 /dev/urandom >"$STATE/wakegate.db"
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	[ "$body" = "$pid" ]
	[ -n "$(compgen -G "$STATE/wakegate.db.corrupt-*")" ]
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(row pid)" = "$pid" ]
	[ "$(events_of spawned)" -eq 0 ]
}

@test "a database that is damaged under a live keeper and worker" {
	local pid

	write_config
	start_lighttpd
	get /pid
	pid=$body
	head -c 100000 /dev/urandom | dd of="$STATE/wakegate.db" conv=notrunc \
		status=none
	rm -f "$STATE"/wakegate.db-*
	for _ in {1..5}; do
		get /pid
		[ "$code" = 200 ] || fail "$code $body"
		[ "$body" = "$pid" ]
	done
	[ "$(gateway_starts)" -eq 1 ]
}

@test "a deleted database: the running gateway is not started twice" {
	local pid

	write_config
	start_lighttpd
	get /pid
	pid=$body
	delete_database
	for _ in {1..5}; do
		get /pid
		[ "$code" = 200 ] || fail "$code $body"
		[ "$body" = "$pid" ]
	done
	run many 20 /pid
	[ "$output" = "200 20" ]
	[ "$(gateway_starts)" -eq 1 ]
	cgi GET /pid
	[ "$code" = 200 ]
	eventually 10 row_is state ready
	[ "$(row pid)" = "$pid" ]
	wg stop
	gone "$pid"
}

@test "the whole state folder is deleted: the running gateway is adopted" {
	local pid

	write_config
	wg start
	pid=$(row pid)
	mv "$STATE" "$RUN/deleted" # at once
	rm -rf "$RUN/deleted"
	cgi GET /pid
	[ "$code" = 200 ]
	grep -q "^$pid" "$RUN/cgi"
	[ "$(gateway_starts)" -eq 1 ]
	wg stop
	eventually 10 gone "$pid"
}

@test "a full disk: requests to a running gateway pass" {
	small_state 4m
	write_config
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	dd if=/dev/zero of="$STATE/fill" bs=4k status=none 2>/dev/null || true
	run many 20 /pid
	[ "$output" = "200 20" ] || fail "$output"
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "a full disk and no gateway: 503 store, and all is well after it" {
	small_state 4m
	write_config
	wg start
	wg stop
	dd if=/dev/zero of="$STATE/fill" bs=4k status=none 2>/dev/null || true
	cgi GET /pid
	[ "$code" = 503 ] || [ "$code" = 200 ] || fail "$code"
	[ "$code" = 200 ] || grep -q '"store"' "$RUN/cgi" || fail "$(cat "$RUN/cgi")"
	rm "$STATE/fill"
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "a read-only database: a running gateway's requests pass, else 503 store" {
	write_config
	become_www_data
	ENTER=("${AS[@]}")
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	"${AS[@]}" chmod 400 "$STATE"/wakegate.*
	"${AS[@]}" chmod 500 "$STATE"
	get /pid
	[ "$code" = 200 ]
	cgi GET /pid
	[ "$code" = 200 ]
	kill -KILL "$(row pid)"
	cgi GET /pid
	[ "$code" = 503 ]
	"${AS[@]}" chmod 700 "$STATE"
	"${AS[@]}" chmod 600 "$STATE"/wakegate.*
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "a state folder that cannot be written: 503 store" {
	small_state 1m
	write_config
	mount -o remount,ro "$STATE"
	cgi GET /pid
	[ "$code" = 503 ]
	grep -q '"store"' "$RUN/cgi"
	[ "$(gateway_starts)" -eq 0 ]
	mount -o remount,rw "$STATE"
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "state_dir is a file: 503 store, no crash" {
	write_config ".state_dir = \"$RUN/file\""
	: >"$RUN/file"
	cgi GET /pid
	[ "$code" = 503 ]
	grep -q '"store"' "$RUN/cgi"
	write_config
}

@test "a database of a newer wakegate is left alone" {
	write_config
	wg start
	wg stop
	query 'PRAGMA user_version = 999'
	cgi GET /pid
	[ "$code" = 503 ]
	[ -z "$(compgen -G "$STATE/wakegate.db.corrupt-*")" ]
	[ "$(query 'PRAGMA user_version')" = 999 ]
	query 'PRAGMA user_version = 1'
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "somebody holds the database: requests to a ready gateway pass" {
	local holder begin

	write_config
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	{
		printf '%s\n' '.timeout 5000' '.bail on' 'BEGIN IMMEDIATE;' \
			".shell touch $RUN/held; sleep 12" 'COMMIT;' |
			sqlite3 "$STATE/wakegate.db" >>"$RUN/hold.log" 2>&1
	} 3>&- &
	holder=$!
	eventually 10 test -e "$RUN/held"
	begin=$(now_ms)
	run many 10 /pid
	[ "$output" = "200 10" ] || fail "$output"
	(($(now_ms) - begin < 8000))
	alive "$holder"
	wait "$holder"
}

@test "events are trimmed" {
	write_config
	wg start
	query "INSERT INTO event (at_ms, gateway, generation, kind)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
			WHERE i < 12000)
		SELECT 1, 'fake', 1, 'ready' FROM n"
	wg restart
	wg stop
	[ "$(query 'SELECT count(*) FROM event')" -le 10100 ]
}
