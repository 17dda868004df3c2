# state.bash - for tests of the state that survives: a gateway with a state folder
# (DATA), and where its snapshots go (SNAPS)
#
#	write_state_config '.gateways.fake.backup.keep = 2'
#	wg start
#	remember early; wg backup; rm -rf "$DATA"; wg restart; remembers early
#
# shellcheck shell=bash
# shellcheck disable=SC2154  # variables are helper.bash's

# write_state_config [JQ FILTER]
write_state_config() {
	DATA=${DATA:-$RUN/data}
	SNAPS=$RUN/snaps
	FLAGS+=(--state "$DATA")
	write_config ".gateways.fake.backup = {
		directory: \"$DATA\", to: \"$SNAPS\", every_s: 0,
		on_stop: false, restore_timeout_s: 10 } | ${1:-.}"
}

# The gateway itself, not through a web server.
remember() {
	curl -sS --max-time 10 -X POST -o /dev/null -w '%{http_code}\n' \
		"$GATEWAY_URL/state?key=$1" | grep -q '^200$'
}

# Does the gateway know it, in its database and as a file?
remembers() {
	curl -sS --max-time 10 "$GATEWAY_URL/state?key=$1" |
		jq -e '.row and .file and .ok' >/dev/null
}

# Has it neither?
has_forgotten() {
	curl -sS --max-time 10 "$GATEWAY_URL/state?key=$1" |
		jq -e '(.row or .file | not) and .ok' >/dev/null
}

# How many transactions it has written for --state-writes.
writes() {
	curl -sS --max-time 10 "$GATEWAY_URL/state" | jq .writes
}

# Two snapshots: the first knows `early`, the second `late` too.
two_snapshots() {
	wg start
	remember early
	wg backup
	remember late
	wg backup
	wg stop
}

# A member of the folder's marker.
marker() {
	jq -r ".$1" "$DATA/.wakegate-state"
}

snapshot_count() {
	query "SELECT count(*) FROM snapshot WHERE state = '${1:-complete}'"
}

# newest [N]: the archive of the newest snapshot, or of the N-th.
newest() {
	query "SELECT path FROM snapshot WHERE state = 'complete'
		ORDER BY created_ms DESC LIMIT 1 OFFSET $((${1:-1} - 1))"
}

newest_id() {
	query "SELECT max(id) FROM snapshot WHERE state = 'complete'"
}

# snapshot_program COMMAND...: wakegate-snapshot, by hand; its lines.
snapshot_program() {
	"${AS[@]}" timeout 60 "$TOP_BUILDDIR/wakegate-snapshot" -c "$CONFIG" \
		"$@" 3>&-
}

# The archives here are whole, and the store says so of each that it names.
snapshots_verify() {
	snapshot_program verify fake >"$RUN/verify" || {
		cat "$RUN/verify"
		return 1
	}
}

# What restores and snapshots leave behind when they are cut off.
no_remains() {
	local remains

	remains=$(find "$RUN" -maxdepth 2 \( -name 'data.wakegate-*' -o \
		-name '*.partial' -o -name '*.work' \) -print)
	[ -z "$remains" ] || fail "left: $remains"
}

# A copy of the gateway's database is whole, and of one moment.
database_is_whole() {
	[ "$(sqlite3 "$1" 'PRAGMA integrity_check')" = ok ] &&
		[ "$(sqlite3 "$1" 'SELECT ok FROM invariant')" = 1 ]
}

event_detail() {
	query "SELECT detail FROM event WHERE kind = '$1' ORDER BY id DESC
		LIMIT 1" | jq -r "$2"
}

# cut_off KIND: of those begun, how many have neither been done nor failed?
cut_off() {
	query "SELECT coalesce(sum(kind = '$1_begin') -
		sum(kind IN ('$1_done', '$1_failed')), 0) FROM event"
}

# part_of ROUND MS: waits for one of 20 parts of that time, each in its turn. (To see
# the beginning took the rest of it.)
part_of() {
	local ms=$(($2 * ($1 % 20) / 24))

	sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}

# The id of the first event of that kind since.
event_id() {
	query "SELECT min(id) FROM event WHERE kind = '$1'"
}

status_is() {
	[ "$(curl -sS -o /dev/null -w '%{http_code}' "$GATEWAY_URL/pid")" = "$1" ]
}

# enter_small FOLDER SIZE: from now on, for what wakegate does and starts, FOLDER is
# a file system of that size.
enter_small() {
	mkdir -p "$1"
	# shellcheck disable=SC2016  # the inner shell expands it
	unshare -m --propagation private sh -c 'mount -t tmpfs -o size="$1" \
		tmpfs "$2" && echo ready && exec sleep 600' sh "$2" "$1" \
		>"$RUN/mounted" 2>>"$RUN/mount.log" 3>&- &
	enter $! "$RUN/mounted"
}

# enter PID READY: into the name space of a process that says when it is ready.
enter() {
	HOLDER=$1
	eventually 10 grep -q ready "$2"
	ENTER=(nsenter -t "$1" -m --)
	AS=("${ENTER[@]}")
}

# Out of it, and it is gone, with all that was mounted there.
leave() {
	[ -n "${HOLDER:-}" ] || return 0
	stop_servers
	ENTER=()
	AS=()
	kill -TERM "$HOLDER" 2>/dev/null || true
	eventually 5 gone "$HOLDER"
	HOLDER=''
}

own_teardown() {
	stop_gateways
	leave
}

# --- moments -----------------------------------------------------------------

# What wakegate-snapshot asks of the kernel that changes something, or reads much.
CALLS=write,read,pread64,openat,fsync,syncfs,mkdir,mkdirat,unlink,unlinkat,rename
CALLS+=,renameat,renameat2,fstat,fchmod,fcntl
# Those of them that change what counts, or make it last, as strace(1) writes them.
TURNS='^(rename|unlink|fsync|syncfs)|^write\([^,]*(\.json|\.wakegate-state)'

# choose_moments COMMAND...: of its calls each of TURNS, and others, evenly: 20 at
# least, as "KIND NAME N", the N-th call of that name, in MOMENTS.
choose_moments() {
	local turns

	strace -y -o "$RUN/strace" -e trace="$CALLS" -e signal=none \
		"$TOP_BUILDDIR/wakegate-snapshot" -c "$CONFIG" "$@" \
		>"$RUN/counted" 2>&1 3>&- || fail "$(<"$RUN/counted")"
	awk -F '(' -v turns="${TURNS//\\/\\\\}" '/^[a-z0-9]+\(/ {
		print $0 ~ turns ? "turn" : "other", $1, ++n[$1]
	}' "$RUN/strace" >"$RUN/calls"
	turns=$(grep -c ^turn "$RUN/calls")
	grep ^other "$RUN/calls" >"$RUN/others"
	mapfile -t MOMENTS < <(
		grep ^turn "$RUN/calls"
		awk -v all="$(wc -l <"$RUN/others")" \
			-v wanted=$((turns < 10 ? 20 - turns : 10)) \
			'int(NR * wanted / all) > int((NR - 1) * wanted / all)' \
			"$RUN/others"
	)
}

# snapshot_strace NAME N COMMAND...: it is killed at that call; strace dies as it does.
snapshot_strace() {
	local name=$1 at=$2 result=0

	shift 2
	strace -y -o "$RUN/strace" -e trace="$name" -e signal=none \
		-e inject="$name:signal=KILL:when=$at" \
		"$TOP_BUILDDIR/wakegate-snapshot" -c "$CONFIG" "$@" \
		>"$RUN/killed" 2>&1 3>&- || result=$?
	echo "$name $at: $result $(tail -n 1 "$RUN/killed")" >>"$RUN/ends"
}

# Was it killed as it began one of TURNS?
turn_was_hit() {
	grep '^[a-z0-9]*(' "$RUN/strace" | tail -n 1 | grep -qE "$TURNS" &&
		tail -n 1 "$RUN/ends" | grep -q ': 137 '
}

# at_moments EACH: `EACH KIND NAME N` for all of them. How far it had come, it says
# now and then, so that the N-th write may be another one: then again.
at_moments() {
	local kind name at moment again

	for moment in "${MOMENTS[@]}"; do
		read -r kind name at <<<"$moment"
		for again in {1..5}; do
			"$1" "$kind" "$name" "$at"
			if [ "$kind" = other ] || turn_was_hit; then
				continue 2
			fi
		done
		fail "missed: $moment"
	done
}

# Of those, how many were killed?
killed_count() {
	grep -c '^[a-z0-9]* [0-9]*: 137 ' "$RUN/ends"
}

# inject_restore CALLS WHAT [OPTIONS]: strace(1) does that to those system calls of
# the next restore. (A keeper runs what lies beside its program.)
inject_restore() {
	command -v strace >/dev/null || skip "needs strace"
	mkdir "$RUN/bin"
	cp "$WAKEGATE" "$RUN/bin/wakegate"
	WAKEGATE=$RUN/bin/wakegate
	: >"$RUN/stop"
	cat >"$RUN/bin/wakegate-snapshot" <<-END
		#!/bin/sh
		set -- '$TOP_BUILDDIR/wakegate-snapshot' "\$@"
		if [ "\$4" = restore ] && rm '$RUN/stop' 2>/dev/null; then
			set -- strace -D ${*:3} -o '$RUN/stopped' -e trace=$1 \
				-e inject=$1:$2 "\$@"
		fi
		exec "\$@"
	END
	chmod +x "$RUN/bin/wakegate-snapshot"
}

# The next restore stops (SIGSTOP) instead of its first sync: all is unpacked, not
# yet in its place.
stop_restore() {
	inject_restore fsync,syncfs retval=0:signal=STOP
}

# many_lists COUNT: so many look at once for what snapshots there are.
many_lists() {
	local i pid pids=()

	for ((i = 0; i < $1; i++)); do
		snapshot_program list fake >>"$RUN/lists" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || fail "$(<"$RUN/lists")"
	done
}

restore_stopped() {
	grep -qs 'stopped by SIGSTOP' "$RUN/stopped"
}
