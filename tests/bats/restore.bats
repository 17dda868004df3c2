#!/usr/bin/env bats
# Restores: what they put back, and what they never do.

load helper
load state

@test "the folder is deleted: the next request finds it as it was" {
	write_state_config
	wg start
	remember early
	chmod 0710 "$DATA/files"
	ln -s files/early "$DATA/link"
	echo text >"$DATA/text"
	touch -d '2020-01-02 03:04:05.678901234' "$DATA/text"
	wg backup
	wg stop
	rm -rf "${DATA:?}"
	start_lighttpd
	get /state?key=early
	[ "$code" = 200 ] || fail "$code $body"
	[ "$(json '.row and .file and .ok')" = true ]
	[ "$(json .rows)" = 1 ]
	[ "$(marker snapshot)" = 1 ]
	[ "$(marker generation)" = "$(row generation)" ]
	[ "$(marker store)" = "$(<"$STATE/wakegate.id")" ]
	[ "$(stat -c %a "$DATA/.wakegate-state")" = 600 ]
	[ "$(readlink "$DATA/link")" = files/early ]
	[ "$(stat -c %a "$DATA/files")" = 710 ]
	[ "$(stat -c %.9Y "$DATA/text")" = "$(date -d '2020-01-02 03:04:05' +%s).678901234" ]
	[ -d "$DATA/empty" ]
	[ "$(events_of restore_begin)" -eq 1 ]
	[ "$(events_of restore_done)" -eq 1 ]
	[ "$(row snapshot)" = 1 ]
	eventually 5 no_remains
	database_is_whole "$DATA/state.sqlite"
}

@test "a plain restart, and a crash, keep what was written after the snapshot" {
	local keeper pid

	write_state_config
	wg start
	remember early
	wg backup
	remember late
	wg restart
	remembers late
	kill -KILL "$(row pid)"
	eventually 10 row_is state stopped
	wg start
	remembers late
	keeper=$(row owner_pid)
	pid=$(row pid)
	kill -KILL "$keeper" "$pid"
	eventually 5 gone "$keeper"
	eventually 5 gone "$pid"
	wg start
	remembers late
	[ "$(events_of restore_begin)" -eq 0 ]
}

@test "restore puts the newest back, restore ID another one" {
	write_state_config
	two_snapshots
	wg start
	remember last
	wg restore
	remembers early
	remembers late
	has_forgotten last
	[ "$(marker snapshot)" = 2 ]
	wg restore 1
	remembers early
	has_forgotten late
	[ "$(row snapshot)" = 1 ]
	[ "$(row restore_wanted)" = 0 ]
	wg restart
	[ "$(events_of restore_done)" -eq 2 ]
	run wg restore 7
	[ "$status" -eq 1 ]
	[[ $output == *"snapshot 7"* ]] || fail "$output"
	status_is 200
	eventually 5 no_remains
}

# What is replaced is there until the gateway is ready with the new one.
@test "the state that a restore replaces is kept until the gateway is ready" {
	FLAGS=(--ready-ms 5000)
	write_state_config
	wg start
	remember early
	wg backup
	remember late
	wg restore --no-wait
	eventually 10 row_is restore_wanted 0
	eventually 5 row_is state starting
	[ -e "$(echo "$RUN"/data.wakegate-*/state/files/late)" ]
	eventually 20 row_is state ready
	eventually 5 no_remains
	has_forgotten late
}

@test "what nobody knows to be a state of ours is kept when it is replaced" {
	write_state_config
	two_snapshots
	rm -rf "${DATA:?}"
	mkdir "$DATA"
	echo mine >"$DATA/mine"
	wg start
	remembers late
	eventually 5 kept_mine
	eventually 5 grep -q 'is kept as' "$STATE/wakegate.log"
}

kept_mine() {
	[ "$(cat "$RUN"/data.kept-*/mine 2>/dev/null)" = mine ]
}

# --- the newest is not to be had ---------------------------------------------

# damaged COMMAND...: done to the newest archive; the older one comes back.
damaged() {
	local archive

	write_state_config
	two_snapshots
	archive=$(newest)
	"$@" "$archive"
	rm -rf "${DATA:?}"
	wg start
	remembers early
	has_forgotten late
	[ "$(events_of restore_failed)" -eq 1 ]
	[ "$(event_detail restore_failed .snapshot)" = 2 ]
	[ "$(event_detail restore_failed .next_older)" = true ]
	[ "$(event_detail restore_done .snapshot)" = 1 ]
	[ "$(row snapshot)" = 1 ]
	[ "$(marker snapshot)" = 1 ]
	eventually 5 no_remains
}

snapshot_state() {
	query "SELECT state FROM snapshot WHERE id = $1"
}

@test "the newest archive is truncated: the next older is restored, and it is said" {
	damaged truncate -s -100
	[ "$(snapshot_state 2)" = bad ]
	wg snapshots | grep -q '^ *2 .* bad '
}

flip_bit() {
	local at=$(($(stat -c %s "$1") / 2))
	local byte

	byte=$(od -An -tu1 -j "$at" -N 1 "$1")
	printf '%b' "\\x$(printf %02x $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

@test "a bit of the newest archive is flipped: the next older is restored" {
	damaged flip_bit
	[ "$(snapshot_state 2)" = bad ]
}

# A row, and no archive any more.
@test "the newest archive is missing: the next older is restored" {
	write_state_config
	two_snapshots
	rm "$(newest)"
	rm -rf "${DATA:?}"
	wg start
	remembers early
	has_forgotten late
	[ "$(snapshot_state 2)" = expired ]
	[ "$(event_detail restore_failed '[.snapshot, .state, .next_older] | tojson')" = \
		'[2,"expired",true]' ]
	[ "$(row snapshot)" = 1 ]
}

@test "no snapshot verifies: failed, not started blank; repaired, it starts" {
	local archive

	write_state_config
	wg start
	remember early
	wg backup
	wg stop
	archive=$(newest)
	cp "$archive" "$RUN/good"
	flip_bit "$archive"
	rm -rf "${DATA:?}"
	start_lighttpd
	get /pid
	[ "$code" = 503 ]
	[ "$(json .code)" = restore_failed ]
	[[ $(json .detail) == *"restore failed: "* ]]
	[ "$(row state)" = failed ]
	[ "$(row reason)" = restore_failed ]
	[[ $(row detail) == *damaged* ]] || fail "$(row detail)"
	[ "$(gateway_starts)" -eq 1 ]
	[ ! -e "$DATA" ]
	run wg start
	[ "$status" -eq 1 ]
	[[ $output == *restore_failed* ]] || fail "$output"
	[ "$(gateway_starts)" -eq 1 ]
	cp "$RUN/good" "$archive"
	query "UPDATE snapshot SET state = 'complete'"
	wg start
	remembers early
	get /pid
	[ "$code" = 200 ]
}

@test "the snapshots' disk is not mounted: failed, not started blank; then it is" {
	write_state_config
	two_snapshots
	rm -rf "${DATA:?}"
	mv "$SNAPS" "$RUN/elsewhere"
	mkdir "$SNAPS"
	run wg start
	[ "$status" -eq 1 ]
	[[ $output == *"bad or gone"* ]] || fail "$output"
	[ ! -e "$DATA" ]
	rmdir "$SNAPS"
	run wg start
	[ "$status" -eq 1 ]
	[ "$(gateway_starts)" -eq 1 ]
	mv "$RUN/elsewhere" "$SNAPS"
	wg start
	remembers late
	[ "$(snapshot_count)" -eq 2 ]
}

@test "on_restore_failure start_empty: started, but not backed up until --force" {
	write_state_config '.gateways.fake.backup.on_restore_failure =
		"start_empty" | .gateways.fake.backup.on_stop = true'
	wg start
	remember early
	wg backup
	wg stop
	flip_bit "$(newest)"
	rm -rf "${DATA:?}"
	wg start
	has_forgotten early
	[ "$(marker started_empty)" = true ]
	[ "$(events_of restore_failed)" -eq 2 ]
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *not_restored* ]] || fail "$output"
	wg restart
	[ "$(snapshot_count)" -eq 0 ]
	remember fresh
	wg backup --force
	wg backup
	wg restart
	remembers fresh
}

@test "a passing failure is no reason to restore an older one" {
	write_state_config
	two_snapshots
	rm -rf "${DATA:?}"
	# it can't be read: its disk says no
	mv "$(newest)" "$RUN/aside"
	mkdir "$(newest)"
	run wg start
	[ "$status" -eq 1 ]
	[ "$(row reason)" = restore_failed ]
	[ "$(snapshot_count)" -eq 2 ]
	[ ! -e "$DATA" ]
	rmdir "$(newest)"
	mv "$RUN/aside" "$(newest)"
	wg start
	remembers late
}

# --- where it can't be put ---------------------------------------------------

@test "disk full during a restore: failed, the old state as it was; room, restored" {
	((EUID == 0)) || skip "needs root, to mount"
	enter_small "$RUN/disk" 8m
	DATA=$RUN/disk/data
	FLAGS=()
	write_state_config
	wg start
	remember early
	"${ENTER[@]}" dd if=/dev/urandom of="$DATA/large" bs=1M count=5 status=none
	wg backup
	remember late
	run wg restore
	[ "$status" -eq 1 ]
	[[ $output == *"No space left"* ]] || fail "$output"
	[ "$(row reason)" = restore_failed ]
	[ "$(snapshot_count)" -eq 1 ]
	[ "$("${ENTER[@]}" find "$RUN/disk" -maxdepth 1 -name '*wakegate-*')" = '' ]
	"${ENTER[@]}" test -s "$DATA/files/late"
	"${ENTER[@]}" test -s "$DATA/large"
	"${ENTER[@]}" mount -o remount,size=32m "$RUN/disk"
	wg start
	remembers early
	has_forgotten late
}

@test "a state folder that is a mount point: a clear error, and it stays mounted" {
	((EUID == 0)) || skip "needs root, to mount"
	write_state_config
	two_snapshots
	rm -rf "${DATA:?}"
	enter_small "$DATA" 8m
	run wg start
	[ "$status" -eq 1 ]
	[[ $output == *"is a mount point"* ]] || fail "$output"
	"${ENTER[@]}" mountpoint -q "$DATA"
	[ "$(snapshot_count)" -eq 2 ]
}

@test "a state folder behind a symlink: the symlink stays" {
	write_state_config
	mkdir "$RUN/real"
	ln -s "$RUN/real" "$DATA"
	two_snapshots
	rm -rf "${RUN:?}/real/"*
	rm "$RUN/real/.wakegate-state"
	wg start
	remembers late
	[ -L "$DATA" ]
	[ -e "$RUN/real/files/late" ]
	eventually 5 no_remains
}

# --- hanging -----------------------------------------------------------------

restore_runs() {
	pgrep -f "wakegate-snapshot -c $CONFIG restore" >/dev/null
}

# failed_in_time BEGIN: the restore that hangs has ended so.
failed_in_time() {
	(($(now_ms) - $1 < 8000)) || fail "$(($(now_ms) - $1)) ms"
	[ "$(row state)" = failed ]
	[ "$(row reason)" = restore_failed ]
	[ "$(events_of restore_failed)" -eq 1 ]
	[ "$(event_detail restore_failed .reason)" = timeout ]
	[ "$(snapshot_count)" -eq 2 ]
	[ ! -e "$DATA" ]
}

@test "wakegate-snapshot is stopped in a restore: failed in time, the next one works" {
	local begin

	write_state_config '.gateways.fake.backup.restore_timeout_s = 2'
	two_snapshots
	stop_restore
	start_lighttpd
	rm -rf "${DATA:?}"
	begin=$(now_ms)
	get /pid
	restore_stopped
	[ "$code" = 503 ]
	[ "$(json .code)" = restore_failed ]
	[ "$(events_of restore_begin)" -eq 1 ]
	failed_in_time "$begin"
	eventually 5 never restore_runs
	write_state_config '.gateways.fake.backup.restore_timeout_s = 30'
	wg restart
	remembers late
	eventually 5 no_remains
}

@test "the archive's file system hangs: failed in time, the next restart works" {
	local begin

	((EUID == 0)) || skip "needs root, to mount"
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	write_state_config '.gateways.fake.backup.restore_timeout_s = 2'
	two_snapshots
	mkdir "$RUN/hang"
	"$HANGFS" "$RUN/hang" "$(newest)" >"$RUN/ready" \
		2>>"$RUN/hangfs.log" 3>&- &
	enter $! "$RUN/ready"
	rm -rf "${DATA:?}"
	begin=$(now_ms)
	run wg start
	[ "$status" -eq 1 ] || fail "$output"
	failed_in_time "$begin"
	leave
	write_state_config '.gateways.fake.backup.restore_timeout_s = 30'
	wg restart
	remembers late
}

# --- kill -9 -----------------------------------------------------------------

# A tree whose files all say of which state they are.
fill_tree() {
	local i

	mkdir -p "$DATA/tree"
	for i in {1..40}; do echo "$1" >"$DATA/tree/$i"; done
}

# Old or new, whole; never a mixture.
tree_is_one() {
	local words

	words=$(sort -u "$DATA"/tree/*)
	[ "$(find "$DATA/tree" -type f | wc -l)" -eq 40 ] ||
		fail "$1: $(find "$DATA/tree" -type f | wc -l) files"
	[ "$words" = old ] || [ "$words" = new ] || fail "$1: '$words'"
	database_is_whole "$DATA/state.sqlite" || fail "$1: the database"
	jq -e .store "$DATA/.wakegate-state" >/dev/null || fail "$1: no marker"
}

# The state folder is `old`, the snapshot is `new`; one is wanted.
prepare_kills() {
	write_state_config '.log_level = "warning" |
		.gateways.fake.restarts_max = 1000'
	wg start
	fill_tree new
	wg backup
	wg stop
}

@test "kill -9 of wakegate-snapshot at 20 moments of a restore: old or new" {
	local generation

	command -v strace >/dev/null || skip "needs strace"
	prepare_kills
	pretend_restoring
	choose_moments restore --generation "$generation" fake
	at_moments kill_restore
	[ "$(killed_count)" -ge 18 ] || fail "$(<"$RUN/ends")"
	query "UPDATE gateway SET state = 'stopped'"
	wg start
	[ "$(sort -u "$DATA"/tree/*)" = new ]
	eventually 5 no_remains
	[ "$(events_of restore_done)" -eq 1 ]
}

kill_restore() {
	fill_tree old
	pretend_restoring
	# what the last one left would be removed first
	[ "$1" = other ] || rm -rf "$RUN"/data.wakegate-*
	snapshot_strace "$2" "$3" restore --generation "$generation" fake
	tree_is_one "$2 $3"
	snapshots_verify
}

# As the keeper does before it runs wakegate-snapshot.
pretend_restoring() {
	generation=$(row generation)
	query "UPDATE gateway SET state = 'restoring', restore_wanted = 1"
}

more_restores_than() {
	[ "$(events_of restore_begin)" -gt "$1" ]
}

@test "kill -9 of the keeper at 20 moments of a restore: old or new, the next start" {
	local round before took keeper

	prepare_kills
	head -c 24M /dev/urandom >"$DATA/large"
	wg start
	wg backup
	wg restore
	took=$(event_detail restore_done .took_ms)
	wg stop
	for ((round = 0; $(cut_off restore) < 20; round++)); do
		((round < 60)) || fail "only $(cut_off restore) still ran"
		fill_tree old
		query 'UPDATE gateway SET restore_wanted = 1'
		before=$(events_of restore_begin)
		wg start --no-wait 2>>"$RUN/start.log"
		eventually 5 more_restores_than "$before"
		keeper=$(row owner_pid)
		part_of "$round" "$took"
		kill -KILL "$keeper"
		eventually 5 never restore_runs
		tree_is_one "round $round"
		wg start 2>>"$RUN/start.log"
		[ "$(sort -u "$DATA"/tree/*)" = new ] || fail "round $round"
		wg stop
	done
	snapshots_verify
	wg start
	eventually 5 no_remains
}

@test "a folder mounted within the state: refused, and what is in it stays" {
	((EUID == 0)) || skip "needs root, to mount"
	unshare -m --propagation private sh -c 'echo ready; exec sleep 600' \
		>"$RUN/ready" 3>&- &
	enter $! "$RUN/ready"
	write_state_config
	wg start
	remember early
	wg backup
	wg stop
	mkdir "$DATA/workspace" "$RUN/elsewhere"
	echo mine >"$RUN/elsewhere/mine"
	"${ENTER[@]}" mount --bind "$RUN/elsewhere" "$DATA/workspace"
	run wg restore
	[ "$status" -eq 1 ]
	[[ $output == *"$DATA/workspace' is a mount point in"* ]] || fail "$output"
	[ "$(cat "$RUN/elsewhere/mine")" = mine ]
	no_remains
	"${ENTER[@]}" umount "$DATA/workspace"
	wg restore
	remembers early
	eventually 5 no_remains
}

# A restore whose phases take 2 s each, as it says.
# slow_restore PROGRAM...: and then goes on so.
slow_restore() {
	mkdir "$RUN/bin"
	cp "$WAKEGATE" "$RUN/bin/wakegate"
	WAKEGATE=$RUN/bin/wakegate
	cat >"$RUN/bin/wakegate-snapshot" <<-END
		#!/bin/sh
		if [ "\$3" = restore ]; then
			echo '{"phase":"fetch","snapshot":1,"bytes":1,"total":2,"files":0}'
			sleep 2
			echo '{"phase":"look","snapshot":1,"bytes":1,"total":2,"files":0}'
			sleep 2
			set -- $* "\$@"
		else
			set -- '$TOP_BUILDDIR/wakegate-snapshot' "\$@"
		fi
		exec "\$@"
	END
	chmod +x "$RUN/bin/wakegate-snapshot"
	write_state_config '.gateways.fake.backup.restore_timeout_s = 2'
}

@test "the deadline is each phase's own" {
	write_state_config
	wg start
	remember early
	wg backup
	wg stop
	rm -rf "${DATA:?}"
	slow_restore "$TOP_BUILDDIR/wakegate-snapshot"
	wg start
	remembers early
	[ "$(events_of restore_failed)" -eq 0 ]
}

@test "a restore tells how far it is, by lines and on a terminal" {
	local far='fake: restoring.*, \[#+ +\] 1 B of 2 B'

	write_state_config
	wg start
	remember early
	wg backup
	wg stop
	slow_restore "$TOP_BUILDDIR/wakegate-snapshot"
	wg restore 2>"$RUN/lines"
	grep -qE "^$far" "$RUN/lines" || fail "$(<"$RUN/lines")"
	script -qec "'$WAKEGATE' -c '$CONFIG' restore" "$RUN/typescript" \
		>/dev/null 3>&-
	grep -qaE $'\r\e\\[K'"$far" "$RUN/typescript" ||
		fail "$(<"$RUN/typescript")"
	remembers early
}

@test "so is that of the removal of what a restore had unpacked" {
	command -v strace >/dev/null || skip "needs strace"
	write_state_config
	wg start
	remember early
	wg backup
	wg stop
	rm -rf "${DATA:?}"
	truncate -s -50 "$(newest)"
	slow_restore strace -D -o "$RUN/stopped" -e trace=rmdir \
		-e inject=rmdir:delay_enter=1000000 \
		"$TOP_BUILDDIR/wakegate-snapshot"
	run wg start
	[ "$status" -eq 1 ] || fail "$output"
	[[ $output == *"is damaged"* ]] || fail "$output"
	no_remains
}
