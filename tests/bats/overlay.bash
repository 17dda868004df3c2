# overlay.bash - a mount name space of a test's own, as one of three machines
#
#	enter_world kernel	root, and the kernel can all
#	enter_world fuse	root, but no loop device, and RUN/w lies on an
#				overlay, which can't carry another: a container
#	enter_world user	www-data, with a /dev/fuse that is open to all
#
# Commands go there by "${ENTER[@]}" "${AS[@]}". All mounts end with the last process
# in it; call leave_world in own_teardown.
#
# shellcheck shell=bash
# shellcheck disable=SC2154  # variables are helper.bash's

own_name_space() {
	[ "$(readlink "/proc/$WORLD/ns/mnt")" != "$(readlink /proc/$$/ns/mnt)" ]
}

enter_world() {
	unshare -m sleep 600 3>&- &
	WORLD=$!
	BACKGROUND+=("$WORLD")
	ENTER=(nsenter -t "$WORLD" -m --)
	eventually 5 own_name_space
	W=$RUN/w
	mkdir "$W"
	case $1 in
	kernel) ;;
	fuse)
		mkdir "$RUN"/outer-{l,u,w}
		"${ENTER[@]}" mount -t overlay outer "$W" -o \
			"lowerdir=$RUN/outer-l,upperdir=$RUN/outer-u,workdir=$RUN/outer-w"
		"${ENTER[@]}" mount --bind /dev/null /dev/loop-control
		;;
	user)
		become_www_data
		mknod "$RUN/fuse" c 10 229
		chmod 666 "$RUN/fuse"
		"${ENTER[@]}" mount --bind "$RUN/fuse" /dev/fuse
		;;
	esac
}

no_daemons() {
	[ -z "$(pgrep -f "^(squashfuse|fuse-overlayfs) .*$RUN/")" ]
}

# daemons PROGRAM: its pids.
daemons() {
	pgrep -f "^$1 .*$W/" || true
}
