#!/usr/bin/env bats
# restore: "overlay" with daemons instead of the kernel: what is written stays until
# a restore, whatever becomes of them.

load helper
load state
load overlay

own_setup() {
	((EUID == 0)) || skip "needs root, to mount"
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
}

own_teardown() {
	[ -n "${WORLD:-}" ] || return 0
	stop_gateways
	snapshot_program unmount fake >>"$RUN/teardown.log" 2>&1 || true
	eventually 5 no_daemons || return 1
}

# mounted MACHINE: wakegate and all that it starts live there; a snapshot that knows
# `early` is mounted, and the gateway is ready.
mounted() {
	enter_world "$1"
	AS=("${ENTER[@]}" "${AS[@]}")
	"${AS[@]}" mkdir "$W/snaps"
	DATA=$W/data
	write_state_config ".gateways.fake.backup |=
		(.to = \"$W/snaps\" | .restore = \"overlay\" |
			.restore_timeout_s = 15)"
	wg start
	remember early
	wg backup
	remember late
	wg restore
	is_mounted
	remembers early
	has_forgotten late
}

mounts() {
	"${ENTER[@]}" grep -c " $W/" /proc/self/mountinfo || true
}

is_mounted() {
	"${ENTER[@]}" grep -q " $DATA .* - fuse.fuse-overlayfs " \
		/proc/self/mountinfo
}

stays_until_restored() {
	mounted "$1"
	remember later
	wg restart
	remembers later
	wg stop
	wg start
	remembers later
	[ "$(events_of restore_done)" -eq 1 ]
	wg backup
	remember last
	wg restore
	[ "$(events_of restore_done)" -eq 2 ]
	remembers early
	remembers later
	has_forgotten last
	is_mounted
}

@test "overlay by FUSE: the state stays over restarts, and goes with a restore (root)" {
	stays_until_restored fuse
}

@test "overlay by FUSE: the state stays over restarts, and goes with a restore (user)" {
	stays_until_restored user
	[ "$(mounts)" -eq 2 ]
}

# daemon SIGNAL PROGRAM
daemon() {
	mounted user
	[ -n "$(daemons "$2")" ]
	kill "-$1" "$(daemons "$2")"
	wg stop
	wg start
	is_mounted
	remembers early
	[ "$(events_of restore_done)" -eq 2 ]
	[ "$(mounts)" -eq 2 ]
}

@test "overlay by FUSE: a fuse-overlayfs that was killed is mounted anew" {
	daemon KILL fuse-overlayfs
}

@test "overlay by FUSE: a squashfuse that is stopped is mounted anew" {
	daemon STOP squashfuse
}

@test "overlay by FUSE: a fuse-overlayfs that is stopped is mounted anew" {
	daemon STOP fuse-overlayfs
}

restore_timeout() {
	write_state_config ".gateways.fake.backup |=
		(.to = \"$W/snaps\" | .restore = \"overlay\" |
			.restore_timeout_s = $1)"
}

# stops_at_once PROGRAM: its next daemon is stopped when it has mounted.
stops_at_once() {
	mkdir "$RUN/real"
	cp "$(command -v "$1")" "$RUN/real"
	: >"$RUN/stop"
	cat >"$RUN/$1" <<-END
		#!/bin/bash
		(exec -a $1 '$RUN/real/$1' "\$@") || exit
		! rm '$RUN/stop' 2>/dev/null || pkill -STOP -f '^$1 .*$W/'
	END
	chmod +x "$RUN/$1"
	"${ENTER[@]}" mount --bind "$RUN/$1" "$(command -v "$1")"
}

begin_restore() {
	query 'UPDATE gateway SET restore_wanted = 1'
	restore_timeout 4
	wg start --no-wait
}

fails_and_the_next_works() {
	eventually 20 row_is state failed
	[ "$(row reason)" = restore_failed ]
	[ "$(events_of restore_failed)" -eq 1 ]
	[ "$(mounts)" -eq 0 ]
	eventually 2 no_daemons
	restore_timeout 30
	wg restart
	is_mounted
	remembers early
	[ "$(events_of restore_done)" -eq 2 ]
	[ "$(mounts)" -eq 2 ]
}

# hangs PROGRAM
hangs() {
	mounted user
	wg stop
	stops_at_once "$1"
	begin_restore
	fails_and_the_next_works
	[ ! -e "$RUN/stop" ]
}

@test "overlay by FUSE: squashfuse stops in a restore: failed in time, the next works" {
	hangs squashfuse
}

@test "overlay by FUSE: so does fuse-overlayfs" {
	hangs fuse-overlayfs
}

@test "overlay by FUSE: it stops as the marker is written: failed in time, the next works" {
	mounted fuse
	wg stop
	inject_restore fsync signal=STOP:when=1 -f
	begin_restore
	eventually 10 restore_stopped
	[ "$(mounts)" -eq 2 ]
	kill -STOP "$(daemons fuse-overlayfs)"
	pgrep -f "wakegate-snapshot -c $CONFIG restore" | xargs kill -CONT
	fails_and_the_next_works
}

@test "overlay by FUSE: of earlier upper folders one is kept" {
	mounted user
	wg restore
	wg restore
	eventually 10 two_uppers
	is_mounted
	remembers early
}

two_uppers() {
	[ "$("${AS[@]}" sh -c 'ls -d "$1"/overlay-fake/upper-* | wc -l' sh \
		"$W/snaps")" -eq 2 ]
}
