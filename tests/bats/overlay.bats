#!/usr/bin/env bats
# A state folder as an image under an overlay: by the kernel, and by FUSE as root
# and as a user. All within a mount name space of the test's own, where mounts end
# with the last process in it, whatever happens.

load helper
load overlay

OVERLAY=${OVERLAY:-$TOP_BUILDDIR/tests/fake/overlay}

own_setup() {
	((EUID == 0)) || skip "needs root, to mount"
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
}

own_teardown() {
	[ -n "${WORLD:-}" ] || return 0
	rm -f "$RUN/writing"
	in_world clear 2>>"$RUN/teardown.log" || true
	eventually 5 no_daemons || return 1
}

# enter MACHINE: with a folder to make images of.
enter() {
	enter_world "$1"
	inside mkdir "$W/source" "$W/work"
	echo one >"$RUN/one"
	inside cp "$RUN/one" "$W/source/one"
	inside mkdir "$W/source/folder"
	inside cp "$RUN/one" "$W/source/folder/two"
}

# In the test's name space, as the test's user.
inside() {
	"${ENTER[@]}" "${AS[@]}" "$@" 3>&-
}

overlay() {
	local result=0

	inside timeout 60 "$OVERLAY" "$@" 2>>"$RUN/overlay.log" || result=$?
	((result < 124)) || fail "overlay $*: died, $result"
	return "$result"
}

# overlay_fails COMMAND...: with an error of its own.
overlay_fails() {
	local result=0

	inside timeout 60 "$OVERLAY" "$@" >/dev/null 2>>"$RUN/overlay.log" ||
		result=$?
	[ "$result" -eq 1 ] || fail "overlay $*: $result"
}

# make_image NAME [EXCLUDE...]: of the folder source; its digest in $sum.
make_image() {
	local name=$1

	shift
	sum=$(overlay create "$W/source" "$W/work" "$W/$name" "$@")
	[ -n "$sum" ]
}

# in_world COMMAND...: with the folders of this test.
in_world() {
	case $1 in
	mount) overlay mount "$W/$2" "$sum" "$W/state" "$W/place" "$3" ;;
	*) overlay "$1" "$W/state" "$W/place" ;;
	esac
}

look() {
	in_world look
}

mounted_here() {
	"${ENTER[@]}" grep -c " $W/\(state\|place\)" /proc/self/mountinfo || true
}

# The error's code of the last overlay that failed.
error_code() {
	sed -n 's/^overlay: \([0-9]*\):.*/\1/p' "$RUN/overlay.log" | tail -n 1
}

# --- mounting ----------------------------------------------------------------

mounts_and_clears() {
	enter "$1"
	make_image image
	[ "$(look)" = none ]
	in_world mount image 1
	[ "$(look)" = mounted ]
	inside cmp "$W/source/one" "$W/state/one"
	echo new | inside tee "$W/state/folder/new" >/dev/null
	echo changed | inside tee "$W/state/one" >/dev/null
	[ "$(inside cat "$W/place/lower-1/state/one")" = one ]
	[ "$(inside cat "$W/place/upper-1/one")" = changed ]
	in_world clear
	[ "$(look)" = none ]
	[ "$(mounted_here)" -eq 0 ]
	no_daemons
	inside test ! -e "$W/state/one"
	inside test ! -e "$W/place/lower-1"
	[ "$(inside cat "$W/place/upper-1/folder/new")" = new ]
}

@test "overlay: the kernel mounts it where it can" {
	mounts_and_clears kernel
	eventually 5 no_loop_devices
}

no_loop_devices() {
	[ -z "$(losetup -a | grep -F "$RUN" || true)" ]
}

@test "overlay: where the kernel can't, FUSE does" {
	mounts_and_clears fuse
}

@test "overlay: a user needs nothing but /dev/fuse" {
	mounts_and_clears user
}

@test "overlay: root's daemons let other users in, as far as modes do" {
	enter fuse
	echo secret | inside tee "$W/source/secret" >/dev/null
	inside chmod 600 "$W/source/secret"
	inside chmod 755 "$W/source"
	make_image image
	in_world mount image 1
	become_www_data
	[ "$(inside cat "$W/state/one")" = one ]
	never inside cat "$W/state/secret" 2>/dev/null
	AS=()
}

# --- a restore holds what the image holds -------------------------------------

deleted_is_back() {
	enter "$1"
	make_image image
	in_world mount image 1
	inside rm "$W/state/one"
	inside rm -r "$W/state/folder"
	inside test ! -e "$W/state/one"
	in_world clear
	in_world mount image 2
	[ "$(inside cat "$W/state/one")" = one ]
	[ "$(inside cat "$W/state/folder/two")" = one ]
}

@test "overlay: a file that was deleted is there after a restore (kernel)" {
	deleted_is_back kernel
}

@test "overlay: a file that was deleted is there after a restore (FUSE)" {
	deleted_is_back user
}

@test "overlay: a generation that was used before gets a fresh upper folder" {
	enter kernel
	make_image image
	in_world mount image 1
	inside rm "$W/state/one"
	in_world clear
	in_world mount image 1
	[ "$(inside cat "$W/state/one")" = one ]
}

@test "overlay: the upper of the generation before is kept, older ones go" {
	local generation

	enter kernel
	make_image image
	for generation in 8 9 10; do
		in_world mount image "$generation"
		echo "$generation" | inside tee "$W/state/new" >/dev/null
		in_world sweep
		in_world clear
	done
	in_world mount image 11
	in_world sweep
	[ "$(inside ls "$W/place" | tr '\n' ' ')" = \
		'lower-11 upper-10 upper-11 work-11 ' ]
	[ "$(inside cat "$W/place/upper-10/new")" = 10 ]
	[ "$(look)" = mounted ]
	in_world clear
	in_world sweep
	[ "$(inside ls "$W/place")" = upper-11 ]
}

@test "overlay: the merged folder has the image's owner, mode and time" {
	enter kernel
	inside chmod 2750 "$W/source"
	inside chown 1234:4321 "$W/source"
	inside touch -d @1000000 "$W/source"
	make_image image
	in_world mount image 1
	[ "$(inside stat -c '%a %u %g %Y' "$W/state")" = \
		'2750 1234 4321 1000000' ] ||
		fail "$(inside stat -c '%a %u %g %Y' "$W/state")"
}

@test "overlay: folders of the image can be renamed" {
	enter kernel
	make_image image
	in_world mount image 1
	# mv(1) would copy
	inside perl -e 'rename $ARGV[0], $ARGV[1] or die "$!\n"' \
		"$W/state/folder" "$W/state/renamed" || fail "rename failed"
	[ "$(inside cat "$W/state/renamed/two")" = one ]
}

# --- making an image ----------------------------------------------------------

odd_tree() {
	local s=$W/source

	inside mkdir "$s/empty"
	inside ln "$s/one" "$s/folder/hard"
	inside ln -s ../one "$s/folder/link"
	inside cp "$RUN/one" "$s/"$'we ird"\\*?[x]\t\n\xff'
	inside mkdir "$s/$(printf 'l%.0s' {1..200})"
	inside cp "$RUN/one" "$s/$(printf 'l%.0s' {1..200})/$(printf 'm%.0s' {1..200})"
	inside truncate -s 50M "$s/holes"
	inside dd if="$RUN/one" of="$s/holes" bs=1M seek=20 conv=notrunc status=none
	inside touch -d @1234567890 "$s/folder/two"
	inside touch -d @-86400 "$s/before-1970"
	inside chmod 640 "$s/folder/two"
	inside chmod 1777 "$s/folder"
	inside setfattr -n user.k -v 0x7600ff "$s/one"
	inside mkfifo "$s/fifo"
}

# Everything that a folder shows; of times, full seconds from 1970 on.
listing() {
	inside sh -c 'cd "$1" || exit
		find . -type d -printf "%P %m %U %G %Ts\\0"
		find . ! -type d -printf "%P %y %m %U %G %n %s %l %Ts\\0"
		find . -type f -print0 | xargs -0 sha256sum -z
		find . -type f -print0 | xargs -0 getfattr -d -m - -e hex |
			tr "\\n" "\\0"' sh "$1" |
		sed -z 's/ -86400$/ 0/' | sort -z
}

@test "overlay: an image holds everything of a folder, in full" {
	enter kernel
	odd_tree
	make_image image
	grep -q 'note: .*fifo' "$RUN/overlay.log" || fail "nothing said of the fifo"
	in_world mount image 1
	listing "$W/source" | sed -z '/^fifo /d' >"$RUN/want"
	listing "$W/state" >"$RUN/got"
	cmp "$RUN/want" "$RUN/got" ||
		fail "$(diff -a <(tr '\0' '\n' <"$RUN/want") \
			<(tr '\0' '\n' <"$RUN/got"))"
	grep -qaz '^user.k=0x7600ff' "$RUN/got"
	(($(tr -dc '\0' <"$RUN/got" | wc -c) > 20))
	# the hole is one
	(($(inside stat -c %s "$W/image") < 100000))
	[ -z "$(inside ls -A "$W/work")" ]
}

@test "overlay: what is excluded is not in the image" {
	enter kernel
	inside mkdir -p "$W/source/cache/deep" "$W/source/folder/cache"
	inside touch "$W/source/"{a.lock,b.lock.txt,.wakegate-state}
	make_image image cache '*.lock' folder/two
	in_world mount image 1
	[ "$(inside ls -A "$W/state" | tr '\n' ' ')" = 'b.lock.txt folder one ' ] ||
		fail "$(inside ls -A "$W/state")"
	[ -z "$(inside ls -A "$W/state/folder")" ]
}

writer() {
	(
		while [ -e "$RUN/writing" ]; do
			for _ in {1..50}; do
				echo 'BEGIN; UPDATE pair SET a = a + 1;
					UPDATE pair SET b = b + 1;
					INSERT INTO pair SELECT a, b FROM pair
						WHERE rowid = 1; COMMIT;'
			done
		done
	) | inside sqlite3 -cmd '.timeout 5000' "$W/source/live.db" \
		>>"$RUN/writer.log" 2>&1
}

@test "overlay: a database that is being written is whole in each image" {
	local i

	enter kernel
	: >"$RUN/writing"
	inside sqlite3 "$W/source/live.db" 'PRAGMA journal_mode = WAL;
		CREATE TABLE pair (a INTEGER, b INTEGER); INSERT INTO pair VALUES (0, 0)'
	writer 3>&- &
	WRITER=$!
	eventually 10 inside test -s "$W/source/live.db-wal"
	for i in 1 2 3 4 5; do
		make_image "image$i" || fail "no image"
		in_world mount "image$i" "$i"
		[ -z "$(inside ls "$W/state" | grep -E -- '-(wal|shm)$')" ]
		[ "$(inside sqlite3 "$W/state/live.db" 'PRAGMA integrity_check')" = ok ]
		[ "$(inside sqlite3 "$W/state/live.db" \
			'SELECT count(*) FROM pair WHERE a <> b')" = 0 ]
		in_world clear
	done
	rm "$RUN/writing"
	wait "$WRITER" || true
}

backup_of_merged() {
	enter "$1"
	inside sqlite3 "$W/source/kept.db" 'CREATE TABLE t (x); INSERT INTO t VALUES (1)'
	make_image image
	in_world mount image 1
	echo new | inside tee "$W/state/new" >/dev/null
	inside rm "$W/state/one"
	inside sqlite3 "$W/state/kept.db" 'INSERT INTO t VALUES (2)'
	sum=$(overlay create "$W/state" "$W/work" "$W/second")
	in_world clear
	in_world mount second 2
	[ "$(inside cat "$W/state/new")" = new ]
	inside test ! -e "$W/state/one"
	[ "$(inside cat "$W/state/folder/two")" = one ]
	[ "$(inside sqlite3 "$W/state/kept.db" 'SELECT sum(x) FROM t')" = 3 ]
}

@test "overlay: an image of the merged folder holds what was written since" {
	backup_of_merged kernel
}

@test "overlay: an image of the merged folder by FUSE likewise" {
	backup_of_merged user
}

@test "overlay: an image is written whole or not at all" {
	enter kernel
	inside mkdir "$W/small"
	"${ENTER[@]}" mount -t tmpfs -o size=200k small "$W/small"
	inside dd if=/dev/urandom of="$W/source/large" bs=1M count=2 status=none
	overlay_fails create "$W/source" "$W/work" "$W/small/image"
	[ -z "$(inside ls -A "$W/small")" ]
	[ -z "$(inside ls -A "$W/work")" ]
	overlay_fails create "$W/missing" "$W/work" "$W/image"
	inside test ! -e "$W/image"
	echo mine | inside tee "$W/image" >/dev/null
	overlay_fails create "$W/source" "$W/work" "$W/image"
	[ "$(inside cat "$W/image")" = mine ]
}

# --- images that are no good --------------------------------------------------

# refused CODE: mounting is, for that reason, and nothing stays.
refused() {
	overlay_fails mount "$W/image" "$sum" "$W/state" "$W/place" 1
	[ "$(error_code)" = "$1" ] || fail "code $(error_code), not $1"
	[ "$(mounted_here)" -eq 0 ]
	[ -z "$(inside ls -A "$W/place" 2>/dev/null)" ]
	no_daemons
}

ERR_SYSTEM=0 ERR_INVALID=1 ERR_BUSY=4 ERR_CORRUPT=9

@test "overlay: a flipped bit is found, also in an image that was good before" {
	enter kernel
	make_image image
	in_world mount image 1
	in_world clear
	in_world sweep
	inside rm -rf "$W/place"
	inside test -e "$W/image.verified"
	printf '\x55' | inside dd of="$W/image" bs=1 seek=120 conv=notrunc status=none
	refused "$ERR_CORRUPT"
}

@test "overlay: an image that is cut off is refused" {
	enter kernel
	make_image image
	inside truncate -s -1 "$W/image"
	refused "$ERR_CORRUPT"
}

@test "overlay: a missing image is no fault of the image's" {
	enter kernel
	sum=$(printf '0%.0s' {1..64})
	refused "$ERR_SYSTEM"
}

@test "overlay: what is no image is refused, whatever its digest" {
	enter kernel
	inside cp "$RUN/one" "$W/image"
	sum=$(sha256sum "$RUN/one" | cut -d ' ' -f 1)
	refused "$ERR_INVALID"
}

@test "overlay: an image that is noted to be good is not read whole, until it changes" {
	enter kernel
	make_image image
	sum=$(printf '0%.0s' {1..64}) # not its digest: who reads it would see
	overlay remember "$W/image" "$sum"
	in_world mount image 1
	in_world clear
	inside rm -rf "$W/place"
	inside touch -r "$RUN/one" "$W/image"
	refused "$ERR_CORRUPT"
}

@test "overlay: devices and set-user-ID bits of an image mean nothing" {
	enter kernel
	inside cp "$(command -v id)" "$W/source/id"
	inside mkdir "$W/top"
	inside mv "$W/source" "$W/top/state"
	inside mksquashfs "$W/top" "$W/image" -quiet -no-progress \
		-p 'state/zero c 666 0 0 1 5' -p 'state/id m 4755 0 0'
	sum=$(inside sha256sum "$W/image" | cut -d ' ' -f 1)
	in_world mount image 1
	[ "$(inside stat -c '%F %a' "$W/state/id")" = 'regular file 4755' ]
	become_www_data
	[ "$(inside "$W/state/id" -un)" = www-data ]
	AS=()
	never inside head -c 1 "$W/state/zero" 2>/dev/null
	never inside head -c 1 "$W/place/lower-1/state/zero" 2>/dev/null
}

# --- stale mounts -------------------------------------------------------------

# stale SIGNAL PROGRAM: a daemon is dead or stopped; that is seen in time, and
# cleared in time.
stale() {
	local begin pid

	enter "$1"
	make_image image
	in_world mount image 1
	pid=$(daemons "$3")
	[ -n "$pid" ]
	kill "-$2" "$pid"
	begin=$(now_ms)
	[ "$(look)" = stale ]
	(($(now_ms) - begin < 9000)) || fail "look: $(($(now_ms) - begin)) ms"
	begin=$(now_ms)
	in_world clear
	(($(now_ms) - begin < 15000)) || fail "clear: $(($(now_ms) - begin)) ms"
	[ "$(mounted_here)" -eq 0 ]
	eventually 2 no_daemons
	in_world mount image 2
	[ "$(look)" = mounted ]
	[ "$(inside cat "$W/state/one")" = one ]
}

@test "overlay: a dead fuse-overlayfs is found and cleared" {
	stale user KILL fuse-overlayfs
}

@test "overlay: a dead squashfuse is found and cleared" {
	stale user KILL squashfuse
}

@test "overlay: a stopped fuse-overlayfs is found and cleared" {
	stale user STOP fuse-overlayfs
}

@test "overlay: a stopped squashfuse is found and cleared" {
	stale user STOP squashfuse
}

@test "overlay: root clears a dead squashfuse" {
	stale fuse KILL squashfuse
}

@test "overlay: root clears a stopped fuse-overlayfs" {
	stale fuse STOP fuse-overlayfs
}

@test "overlay: a stopped daemon with somebody waiting for it is cleared" {
	enter user
	make_image image
	in_world mount image 1
	kill -STOP "$(daemons fuse-overlayfs)"
	inside cat "$W/state/one" >/dev/null 2>&1 &
	WAITER=$!
	sleep 0.2
	kill -0 "$WAITER"
	[ "$(look)" = stale ]
	in_world clear
	[ "$(mounted_here)" -eq 0 ]
	eventually 5 gone "$WAITER"
	wait "$WAITER" || true
}

@test "overlay: stacked mounts are all cleared" {
	local i

	enter kernel
	make_image image
	in_world mount image 1
	for i in 1 2 3; do
		"${ENTER[@]}" mount -t tmpfs tmpfs "$W/state"
		"${ENTER[@]}" mount -t tmpfs tmpfs "$W/place/lower-1"
	done
	"${ENTER[@]}" mkdir "$W/place/deeper"
	"${ENTER[@]}" mount -t tmpfs tmpfs "$W/place/deeper"
	[ "$(look)" = stale ]
	in_world clear
	[ "$(mounted_here)" -eq 0 ]
	[ "$(look)" = none ]
}

@test "overlay: what is mounted elsewhere is not touched" {
	local folder

	enter kernel
	make_image image
	in_world mount image 1
	for folder in state2 place2 'state 3' place/../beside; do
		"${ENTER[@]}" mkdir "$W/$folder"
		"${ENTER[@]}" mount -t tmpfs tmpfs "$W/$folder"
	done
	in_world clear
	[ "$(mounted_here)" -eq 3 ] # these begin with the same letters
	for folder in state2 place2 'state 3' beside; do
		"${ENTER[@]}" mountpoint -q "$W/$folder" || fail "$folder"
	done
}

# odd_names MODE FOLDER
odd_names() {
	local folder

	enter "$1"
	folder=$W/$2
	make_image image
	inside mkdir "$folder"
	overlay mount "$W/image" "$sum" "$folder/st ate" "$folder/pl,ace" 1
	[ "$(overlay look "$folder/st ate" "$folder/pl,ace")" = mounted ]
	[ "$(inside cat "$folder/st ate/one")" = one ]
	overlay clear "$folder/st ate" "$folder/pl,ace"
	[ "$(overlay look "$folder/st ate" "$folder/pl,ace")" = none ]
	[ -z "$(pgrep -f "^(squashfuse|fuse-overlayfs) .*$RUN/")" ]
}

@test "overlay: odd names are no obstacle (kernel)" {
	odd_names kernel $'a, b:c\\d\n#'
}

@test "overlay: odd names but with ':' are no obstacle (FUSE)" {
	odd_names user $'a, b\\c\n#'
}

@test "overlay: a state folder that is a symlink is mounted where it leads" {
	enter kernel
	make_image image
	inside mkdir "$W/real"
	inside ln -s real "$W/state"
	in_world mount image 1
	[ "$(look)" = mounted ]
	"${ENTER[@]}" mountpoint -q "$W/real"
	in_world clear
	never "${ENTER[@]}" mountpoint -q "$W/real"
}

@test "overlay: on a machine without any of the folders there is nothing to clear" {
	enter kernel
	[ "$(overlay look "$W/no/state" "$W/neither/place")" = none ]
	overlay clear "$W/no/state" "$W/neither/place"
	inside test ! -e "$W/no"
}

@test "overlay: somebody in the folder does not keep it mounted" {
	enter user
	make_image image
	in_world mount image 1
	inside sh -c 'cd "$1" && exec sleep 300' sh "$W/state" >/dev/null 2>&1 &
	eventually 5 sits_there
	in_world clear
	[ "$(mounted_here)" -eq 0 ]
	no_daemons
	alive "$SITTER"
	kill "$SITTER"
	eventually 5 gone "$SITTER"
}

sits_there() {
	SITTER=$(pgrep -P "$!" -x sleep) &&
		[ "$(readlink "/proc/$SITTER/cwd")" = "$W/state" ]
}

@test "overlay: nothing is mounted over what is mounted" {
	enter kernel
	make_image image
	in_world mount image 1
	overlay_fails mount "$W/image" "$sum" "$W/state" "$W/place" 2
	[ "$(error_code)" = "$ERR_BUSY" ]
	[ "$(look)" = mounted ]
	[ "$(inside cat "$W/state/one")" = one ]
}

@test "overlay: daemons hold nothing of who started them" {
	local out

	enter user
	make_image image
	# ends with the last holder of the pipe
	out=$(timeout 20 "${ENTER[@]}" "${AS[@]}" "$OVERLAY" mount "$W/image" \
		"$sum" "$W/state" "$W/place" 1 2>&1 7>&1 3>&-) || fail "$out"
	[ -n "$(daemons squashfuse)" ]
	[ -n "$(daemons fuse-overlayfs)" ]
}

# (A daemon that was just started may mount after the first look.)
cleared() {
	in_world clear && [ "$(mounted_here)" -eq 0 ] && [ "$(look)" = none ]
}

@test "overlay: killed at any moment of a mount, it can be cleared" {
	local i

	enter "${1:-fuse}"
	make_image image
	for i in {1..12}; do
		inside timeout -s KILL "0.00$((i * 4 % 10))$i" "$OVERLAY" mount \
			"$W/image" "$sum" "$W/state" "$W/place" "$i" \
			2>/dev/null || true
		eventually 5 cleared ||
			fail "not cleared: $(tail -n 1 "$RUN/overlay.log")"
	done
	in_world mount image 99
	[ "$(look)" = mounted ]
}

@test "overlay: a look that fails says nothing against it" {
	enter user
	make_image image
	in_world mount image 1
	[ "$(look)" = mounted ]
	run inside prlimit --nproc=1 "$OVERLAY" look "$W/state" "$W/place"
	[ "$status" -eq 1 ] || fail "$output"
	[[ $output == *"cannot tell whether"* ]] || fail "$output"
	[ "$(look)" = mounted ]
}
