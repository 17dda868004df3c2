#!/usr/bin/env bats
# Snapshots: when they are taken, of what, and what they never do.

export BATS_TEST_TIMEOUT=600 # 100 snapshots; a disk may be slow

load helper
load state

# shellcheck disable=SC2016
@test "100 snapshots of a database under thousands of commits a second are whole" {
	local i begin before rate

	FLAGS=(--state-writes 5000)
	write_state_config '.gateways.fake.backup.keep = 200 |
		.log_level = "warning"'
	wg start
	begin=$(now_ms)
	before=$(writes)
	for i in {1..100}; do
		snapshot_program create fake >"$RUN/create" ||
			fail "$i: $(<"$RUN/create")"
	done
	[ "$(snapshot_count)" -eq 100 ]
	rate=$((($(writes) - before) * 1000 / ($(now_ms) - begin)))
	((rate >= 1000)) || fail "$rate commits a second"
	wg stop
	mkdir "$RUN/copy"
	find "$SNAPS" -name '*.tar.zst' | while read -r archive; do
		tar -C "$RUN/copy" --zstd -xf "$archive" ./state.sqlite \
			2>/dev/null || tar -C "$RUN/copy" --zstd \
			-xf "$archive" state.sqlite
		[ ! -e "$RUN/copy/state.sqlite-wal" ]
		database_is_whole "$RUN/copy/state.sqlite" ||
			fail "$archive is torn"
		echo "$archive" >>"$RUN/checked"
		rm -f "$RUN/copy"/state*
	done
	[ "$(wc -l <"$RUN/checked")" -eq 100 ]
}

@test "an empty folder's first start, with no snapshot anywhere, may be backed up" {
	write_state_config
	wg start
	[ "$(marker snapshot)" = null ]
	[ "$(marker generation)" = "$(row generation)" ]
	remember early
	run wg backup
	[ "$status" -eq 0 ] || fail "$output"
	[[ $output == "snapshot 1: "* ]]
	[ "$(snapshot_count)" -eq 1 ]
	[ "$(stat -c %a "$(newest)")" = 600 ]
	[ "$(stat -c %a "$SNAPS")" = 700 ]
	[ "$(events_of backup_begin)" -eq 1 ]
	[ "$(events_of backup_done)" -eq 1 ]
	[ "$(events_of restore_done)" -eq 0 ]
	snapshots_verify
	no_remains
}

@test "a state that was never restored is not backed up: until --force" {
	local before

	write_state_config
	wg start
	wg backup
	rm "$DATA/.wakegate-state"
	before=$(find "$SNAPS" | sort)
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *not_restored* ]] || fail "$output"
	[ "$(find "$SNAPS" | sort)" = "$before" ]
	wg backup --force
	[ "$(snapshot_count)" -eq 2 ]
	wg backup
	[ "$(marker snapshot)" -eq 2 ]
}

@test "POST /api/admin/storage/sync says the same: 409 not_restored" {
	local token=0123456789abcdef0123456789abcdef

	echo "$token" >"$RUN/token"
	chmod 600 "$RUN/token"
	write_state_config '.admin = {users: ["alice"],
		token_file: (.gateways.fake.directory + "/token")}'
	start_lighttpd
	wg start
	rm "$DATA/.wakegate-state"
	get /api/admin/storage/sync -X POST --data-raw '' \
		-H "Authorization: Bearer $token"
	[ "$code" = 409 ] || fail "$code $body"
	[ "$(json .code)" = not_restored ]
	[[ $(json .detail) == *"was not restored"* ]] || fail "$body"
	[ "$(snapshot_count)" -eq 0 ]
}

@test "a state of another wakegate is not backed up: until --force" {
	write_state_config
	wg start
	jq -c '.store = "0123456789abcdef"' "$DATA/.wakegate-state" >"$RUN/marker"
	cp "$RUN/marker" "$DATA/.wakegate-state"
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *not_restored* ]] || fail "$output"
	[ "$(snapshot_count)" -eq 0 ]
	wg restart
	[ "$(events_of restore_begin)" -eq 0 ]
	wg backup --force
	wg backup
}

@test "every_s: a snapshot when something changed, none when nothing did" {
	local count

	write_state_config '.gateways.fake.backup.every_s = 1 |
		.gateways.fake.backup.keep = 50'
	wg start
	remember early
	eventually 5 has_snapshots 1
	# what the gateway writes at its start has been seen by then
	sleep 2.5
	eventually 10 no_backup_runs
	count=$(snapshot_count)
	sleep 2.5
	[ "$(snapshot_count)" -eq "$count" ]
	[ "$(events_of backup_begin)" -eq "$count" ]
	remember late
	eventually 5 has_snapshots $((count + 1))
	sleep 2.2
	eventually 10 no_backup_runs
	count=$(snapshot_count)
	sleep 2.2
	[ "$(snapshot_count)" -eq "$count" ]
}

no_backup_runs() {
	never pgrep -f "wakegate-snapshot -c $CONFIG create" >/dev/null &&
		[ "$(events_of backup_begin)" = "$(events_of backup_done)" ]
}

has_snapshots() {
	[ "$(snapshot_count)" -ge "$1" ]
}

@test "on_stop: an orderly stop takes one, if something changed; a crash does not" {
	write_state_config '.gateways.fake.backup.on_stop = true'
	wg start
	remember early
	wg stop
	[ "$(row state)" = stopped ]
	[ "$(snapshot_count)" -eq 1 ]
	[ "$(event_id backup_done)" -gt "$(event_id stopping)" ]
	wg start
	remember middle
	kill -KILL "$(row pid)"
	eventually 10 row_is state stopped
	[ "$(snapshot_count)" -eq 1 ]
	wg start
	wg restart
	[ "$(snapshot_count)" -eq 2 ]
	remembers early
	remembers middle
	rm -rf "${DATA:?}"
	wg stop
	[ "$(snapshot_count)" -eq 2 ]
	wg start
	remembers middle
}

@test "keep: the oldest go, archive, manifest and all; the newest never does" {
	local i

	write_state_config '.gateways.fake.backup.keep = 2'
	wg start
	for i in {1..5}; do
		remember "key$i"
		wg backup
	done
	[ "$(snapshot_count)" -eq 2 ]
	[ "$(snapshot_count expired)" -eq 3 ]
	[ "$(find "$SNAPS" -type f | wc -l)" -eq 4 ]
	[ "$(newest_id)" -eq 5 ]
	snapshots_verify
	write_state_config '.gateways.fake.backup.keep = 1'
	snapshot_program prune fake
	[ "$(snapshot_count)" -eq 1 ]
	[ "$(newest_id)" -eq 5 ]
	snapshot_program prune fake
	[ "$(snapshot_count)" -eq 1 ]
}

@test "a clock that was ahead once: what is taken later is newer, and stays" {
	write_state_config '.gateways.fake.backup.keep = 1'
	wg start
	remember early
	wg backup
	sqlite3 "$STATE/wakegate.db" 'UPDATE snapshot SET
		created_ms = created_ms + 86400000'
	remember late
	wg backup
	[ "$(snapshot_count)" -eq 1 ]
	[ "$(newest_id)" -eq 2 ]
	[ -s "$(newest)" ]
	[ "$(query 'SELECT max(created_ms) FROM snapshot WHERE id = 2')" -gt \
		"$(query 'SELECT created_ms FROM snapshot WHERE id = 1')" ]
	wg stop
	rm -rf "${DATA:?}"
	wg start
	remembers late
	remember later
	wg backup
	[ "$(newest_id)" -eq 3 ]
	# the manifests say so as well
	wg stop
	rm -rf "${DATA:?}"
	delete_database
	wg start
	remembers later
}

@test "the database is lost, and several look at once: each archive has one row" {
	local round

	write_state_config '.gateways.fake.backup.keep = 20'
	wg start
	for round in {1..8}; do wg backup; done
	wg stop
	for round in {1..5}; do
		delete_database
		many_lists 6
		[ "$(snapshot_count)" -eq 8 ]
	done
}

@test "exclude patterns, sockets and fifos stay out, and it is said" {
	write_state_config '.gateways.fake.backup.exclude =
		["cache", "*.lock", "logs/old"]'
	wg start
	mkdir -p "$DATA/cache/deep" "$DATA/sub/cache" "$DATA/logs/old" \
		"$DATA/logs/new"
	touch "$DATA/cache/x" "$DATA/sub/cache/x" "$DATA/a.lock" \
		"$DATA/logs/old/x" "$DATA/logs/new/x" "$DATA/sub/stays"
	mkfifo "$DATA/fifo"
	background "$FAKE_GATEWAY" --listen "unix:$DATA/sub/socket"
	eventually 5 test -S "$DATA/sub/socket"
	wg backup 2>"$RUN/backup.log"
	grep -F "the fifo 'fifo'" "$RUN/backup.log"
	grep -F "the socket 'sub/socket'" "$RUN/backup.log"
	tar --zstd -tf "$(newest)" | sed 's|^\./||; s|/$||' | sort >"$RUN/list"
	grep -qx sub/stays "$RUN/list"
	grep -qx logs/new/x "$RUN/list"
	grep -qx empty "$RUN/list"
	grep -qx state.sqlite "$RUN/list"
	run grep -E 'cache|lock|old|fifo|socket|-wal|-shm|wakegate' "$RUN/list"
	[ "$status" -eq 1 ] || fail "$output"
}

@test "so do devices" {
	write_state_config
	wg start
	mkdir "$DATA/sub"
	mknod "$DATA/sub/null" c 1 3 2>/dev/null || skip "needs mknod"
	mknod "$DATA/disk" b 7 200
	wg backup 2>"$RUN/backup.log"
	grep -F "the device 'sub/null'" "$RUN/backup.log"
	grep -F "the device 'disk'" "$RUN/backup.log"
	tar --zstd -tf "$(newest)" | sed 's|^\./||; s|/$||' >"$RUN/list"
	grep -qx sub "$RUN/list"
	run grep -E 'null|disk' "$RUN/list"
	[ "$status" -eq 1 ] || fail "$output"
}

@test "one at a time: a second create waits, and begins when the first has ended" {
	local first second

	command -v strace >/dev/null || skip "needs strace"
	write_state_config
	wg start
	# as it puts its archive in its place
	strace -D -o "$RUN/stopped" -e trace=renameat2 \
		-e inject=renameat2:signal=STOP:when=1 \
		"$TOP_BUILDDIR/wakegate-snapshot" -c "$CONFIG" create fake \
		>"$RUN/first" 3>&- &
	first=$!
	BACKGROUND+=("$first")
	eventually 10 restore_stopped
	snapshot_program create fake >"$RUN/second" &
	second=$!
	eventually 10 test -s "$RUN/second"
	[ "$(snapshot_count writing)" -eq 1 ]
	kill -CONT "$first"
	wait "$first" || fail "$(<"$RUN/first")"
	wait "$second" || fail "$(<"$RUN/second")"
	[ "$(query "SELECT group_concat(substr(kind, 8), ' ') FROM
		(SELECT kind FROM event WHERE kind LIKE 'backup%' ORDER BY id)")" \
		= "begin done begin done" ]
	[ "$(snapshot_count)" -eq 2 ]
	snapshots_verify
}

@test "a backup is of a gateway that is stopped as well" {
	write_state_config
	wg start
	remember early
	wg stop
	wg backup
	rm -rf "${DATA:?}"
	wg start
	remembers early
}

@test "a snapshot for a generation that is past is refused" {
	write_state_config
	wg start
	run snapshot_program create --generation 77 fake
	[ "$status" -eq 1 ]
	[[ $output == *'"code":"busy"'* ]] || fail "$output"
	[ "$(snapshot_count)" -eq 0 ]
}

@test "the database of wakegate is lost: the snapshots are found by their manifests" {
	write_state_config
	wg start
	remember early
	wg backup
	remember late
	wg backup
	wg stop
	rm -rf "${DATA:?}"
	delete_database
	run wg snapshots
	[ "$(grep -c complete <<<"$output")" -eq 2 ] || fail "$output"
	delete_database
	wg start
	remembers late
	[ "$(events_of restore_done)" -eq 1 ]
	delete_database
	wg restore 1
	remembers early
	has_forgotten late
}

# --- what goes wrong ---------------------------------------------------------

@test "disk full during a snapshot: nothing is lost, and it is said" {
	local before

	((EUID == 0)) || skip "needs root, to mount"
	write_state_config
	wg start
	wg stop
	enter_small "$SNAPS" 3m
	wg start
	remember early
	wg backup
	before=$("${ENTER[@]}" find "$SNAPS" -type f | sort)
	head -c 4M /dev/urandom >"$DATA/large"
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *"No space left"* ]] || fail "$output"
	[ "$("${ENTER[@]}" find "$SNAPS" -type f | sort)" = "$before" ]
	[ "$(events_of backup_failed)" -eq 1 ]
	[ "$(snapshot_count)" -eq 1 ]
	snapshots_verify
	rm "$DATA/large"
	wg backup
	[ "$(snapshot_count)" -eq 2 ]
}


@test "kill -9 of wakegate-snapshot at 20 moments of create: older ones verify" {
	command -v strace >/dev/null || skip "needs strace"
	write_state_config '.log_level = "warning" |
		.gateways.fake.backup.keep = 100'
	wg start
	mkdir "$DATA/tree"
	seq 60 | split -l 1 - "$DATA/tree/"
	wg backup
	choose_moments create fake
	at_moments kill_create
	[ "$(killed_count)" -ge 18 ] || fail "$(<"$RUN/ends")"
	wg backup
	no_remains
	snapshots_verify
	[ "$(snapshot_count writing)" -eq 0 ]
}

kill_create() {
	local count

	# what the last one left would be removed first
	[ "$1" = other ] || wg backup
	count=$(find "$SNAPS" -name '*.json' | wc -l)
	snapshot_strace "$2" "$3" create fake
	snapshots_verify || fail "killed at $2 $3"
	[ "$(find "$SNAPS" -name '*.json' | wc -l)" -ge "$count" ]
	{
		query "SELECT path FROM snapshot WHERE state = 'complete'"
		find "$SNAPS" -name '*.json' | sed 's/\.json$//'
	} | while read -r archive; do
		[ -s "$archive" ] || fail "$2 $3: $archive"
	done
}

@test "kill -9 of the keeper at 20 moments of a scheduled snapshot" {
	local round took keeper

	write_state_config '.log_level = "warning" |
		.gateways.fake.backup.every_s = 1 |
		.gateways.fake.backup.keep = 2 |
		.gateways.fake.restarts_max = 1000'
	wg start
	head -c 24M /dev/urandom >"$DATA/large"
	wg backup
	took=$(event_detail backup_done .took_ms)
	for ((round = 0; $(cut_off backup) < 20; round++)); do
		((round < 60)) || fail "only $(cut_off backup) still ran"
		keeper=$(row owner_pid)
		eventually 10 changed_and_begun "$(events_of backup_begin)"
		part_of "$round" "$took"
		kill -KILL "$keeper"
		eventually 5 never snapshot_runs
		snapshots_verify || fail "round $round"
		wg start
	done
	wg backup
	no_remains
	[ "$(gateway_starts)" -eq 1 ]
}

changed_and_begun() {
	date +%N >"$DATA/changed"
	[ "$(events_of backup_begin)" -gt "$1" ]
}

snapshot_runs() {
	pgrep -f "wakegate-snapshot -c $CONFIG create" >/dev/null
}

@test "a file that is no good database stops backups, by its name, until excluded" {
	write_state_config
	wg start
	mkdir "$DATA/sub"
	printf 'SQLite format 3\0broken' >"$DATA/sub/odd.sqlite"
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *"'sub/odd.sqlite'"* ]] || fail "$output"
	[ "$(event_detail backup_failed .detail | grep -c odd.sqlite)" -eq 1 ]
	[ "$(snapshot_count)" -eq 0 ]
	write_state_config '.gateways.fake.backup.exclude = ["sub/odd.sqlite"]'
	wg backup
	[ "$(snapshot_count)" -eq 1 ]
	snapshots_verify
}
