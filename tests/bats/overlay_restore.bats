#!/usr/bin/env bats
# restore: "overlay", through wakegate: in a mount name space of the test's own.

load helper
load state

own_setup() {
	((EUID == 0)) || skip "needs root, to mount"
	unshare -m --propagation private sh -c 'echo ready; exec sleep 600' \
		>"$RUN/ready" 3>&- &
	enter $! "$RUN/ready"
	write_state_config '.gateways.fake.backup.restore = "overlay"'
}

# What is in the gateway's own world.
inside() {
	"${ENTER[@]}" "$@"
}

mounts() {
	inside grep -c -F " $RUN/" /proc/self/mountinfo || true
}

# A snapshot that knows `early` is mounted, and the gateway is ready.
mounted() {
	wg start
	remember early
	wg backup
	wg restore
	inside mountpoint -q "$DATA"
	remembers early
}

@test "overlay: a file that was deleted is there after a restore" {
	mounted
	inside rm "$DATA/files/early"
	wg restart
	inside test ! -e "$DATA/files/early"
	wg restore
	inside test -s "$DATA/files/early"
	remembers early
	[ "$(mounts)" -eq 2 ]
}

@test "overlay: a plain restart keeps what was written; a backup holds it" {
	mounted
	remember late
	wg restart
	remembers late
	[ "$(events_of restore_done)" -eq 1 ]
	wg backup
	remember last
	wg restore
	remembers early
	remembers late
	has_forgotten last
	snapshots_verify
}

@test "overlay: after a reboot it is mounted again, and no older state is started" {
	mounted
	remember late
	wg backup
	wg stop
	inside umount "$DATA"
	inside umount "$SNAPS"/overlay-fake/lower-*
	[ "$(mounts)" -eq 0 ]
	wg start
	remembers late
	[ "$(events_of restore_done)" -eq 2 ]
	inside mountpoint -q "$DATA"
}

@test "overlay: what hides it is cleared before it is mounted again" {
	mounted
	wg stop
	inside mount -t tmpfs tmpfs "$DATA"
	wg start
	remembers early
	[ "$(mounts)" -eq 2 ]
	wg stop
	inside umount "$SNAPS"/overlay-fake/lower-* 2>/dev/null || true
	wg restore
	[ "$(mounts)" -eq 2 ]
}

@test "overlay: a damaged image is passed over, and nothing stays mounted" {
	local image

	mounted
	wg stop
	image=$(newest)
	truncate -s -4096 "$image"
	inside umount "$DATA"
	run wg start
	[ "$status" -eq 1 ]
	[ "$(row reason)" = restore_failed ]
	[ "$(snapshot_count bad)" -eq 1 ]
	[ "$(mounts)" -eq 0 ]
}

restore_timeout() {
	write_state_config '.gateways.fake.backup.restore = "overlay" |
		.gateways.fake.backup.restore_timeout_s = '"$1"
}

@test "overlay: a restore that is stopped: failed in time, nothing left mounted" {
	mounted
	wg stop
	query 'UPDATE gateway SET restore_wanted = 1'
	# when it is mounted, and not marked yet
	inject_restore renameat,renameat2 signal=STOP
	restore_timeout 2
	run wg start
	[ "$status" -eq 1 ] || fail "$output"
	restore_stopped
	[ "$(events_of restore_begin)" -eq 2 ]
	[ "$(row reason)" = restore_failed ]
	[ "$(mounts)" -eq 0 ]
	restore_timeout 30
	wg restart
	remembers early
	[ "$(mounts)" -eq 2 ]
}

@test "overlay: a mount point that is not ours stays mounted" {
	wg start
	wg backup
	wg stop
	inside mount -t tmpfs tmpfs "$DATA"
	run wg start
	[ "$status" -eq 1 ]
	[[ $output == *"is a mount point"* ]] || fail "$output"
	inside mountpoint -q "$DATA"
}

# failed_restore ARGUMENT...: it fails, and nothing is lost by that.
failed_restore() {
	run wg restore "$@"
	[ "$status" -eq 1 ] || fail "$output"
	[ "$(row reason)" = restore_failed ] || fail "$output"
	inside mountpoint -q "$DATA"
	wg reset
	wg start
	remembers late
	[ "$(events_of restore_done)" -eq 1 ]
}

@test "overlay: a restore that fails leaves the live state mounted" {
	mounted
	wg backup
	remember late
	printf x | dd of="$(newest 2)" bs=1 seek=5000 conv=notrunc status=none
	failed_restore 1
	[ "$(snapshot_count bad)" -eq 1 ]
}

@test "overlay: so does one of an archive, which replaces it when it is whole" {
	local archive

	write_state_config
	wg start
	wg backup
	write_state_config '.gateways.fake.backup.restore = "overlay"'
	remember early
	wg backup
	wg restore
	remember late
	archive=$(newest 2)
	[[ $archive == *.tar.zst ]]
	cp "$archive" "$RUN/archive"
	truncate -s -50 "$archive"
	failed_restore 1
	cp "$RUN/archive" "$archive"
	query "UPDATE snapshot SET state = 'complete'"
	wg restore 1
	has_forgotten early
	[ "$(mounts)" -eq 0 ]
	eventually 5 no_remains
}

# The next restore can't sync the marker that it writes.
fail_marker() {
	inject_restore fsync error=ENOSPC -f
}

@test "overlay: a plain state below is itself again when it can't be marked" {
	wg start
	remember early
	wg backup
	remember late
	wg stop
	fail_marker
	run wg restore
	[ "$status" -eq 1 ] || fail "$output"
	[[ $output == *"No space left"* ]] || fail "$output"
	[ "$(mounts)" -eq 0 ]
	[ "$(marker store)" = "$(<"$STATE/wakegate.id")" ]
	wg reset
	wg start
	remembers late
	[ "$(events_of restore_done)" -eq 0 ]
	wg backup
}
