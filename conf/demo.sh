#!/bin/sh
# demo.sh - wakegate under lighttpd, to be tried in a browser
#
#	sh conf/demo.sh			in front of a small gateway that can crash
#	sh conf/demo.sh --openclaw	in front of OpenClaw, installed from npm
#	sh conf/demo.sh --stop		ends it, from another terminal
#
# On Debian 12 as root it first installs the packages that are missing. Builds in
# build/ (or $BUILD); all that it runs is in one folder under /tmp (or $TMPDIR),
# which goes away with it. lighttpd and all behind it run without root's rights.
# DEMO_PORT (8080) is where it listens, on 127.0.0.1 only.
# shellcheck disable=SC2062  # the pattern is standard input
# shellcheck disable=SC2317  # functions that wait_for and clean_up call by name
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
port=${DEMO_PORT:-8080}
build=${BUILD:-$top/build}
demo=${TMPDIR:-/tmp}/wakegate-demo-$(id -u) # ours: mkdir makes it, or fails
run=$demo/run # of the user that lighttpd runs as
config=$run/wakegate.json
gateway=small
user=$(id -un)
[ "$user" != root ] || user=www-data

say() {
	printf '%s\n' "$@"
}

die() {
	printf 'demo.sh: %s\n' "$*" >&2
	exit 1
}

as_user() { # COMMAND...
	if [ "$(id -u)" -ne 0 ]; then
		"$@"
	else
		setpriv --reuid="$user" --regid="$user" --clear-groups "$@"
	fi
}

wakegate() {
	(cd / && as_user "$demo/bin/wakegate" -c "$config" "$@")
}

# Pids of everything that belongs to this demonstration: it has the folder in its
# environment, or the configuration in its command.
ours() {
	{
		printf 'WAKEGATE_DEMO=%s' "$demo" |
			grep -lsaF -f - /proc/[0-9]*/environ
		printf '%s' "$config" |
			grep -lsaF -f - /proc/[0-9]*/cmdline
	} 2>/dev/null | cut -d / -f 3 | sort -un || :
}

wait_for() { # SECONDS COMMAND...: until it succeeds
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

nothing_left() {
	[ -z "$(ours)" ]
}

lighttpd_pid() { # of this demonstration's lighttpd, or nothing
	for each in $(ours); do
		case $(cat "/proc/$each/comm" 2>/dev/null) in
		lighttpd) echo "$each" ;;
		esac
	done
}

lighttpd_gone() {
	[ -z "$(lighttpd_pid)" ]
}

# The web server first, so that no request starts the gateway again.
clean_up() {
	trap '' INT TERM HUP
	trap - EXIT
	say 'stopping'
	for each in $(lighttpd_pid); do
		kill -TERM "$each" 2>/dev/null || :
	done
	wait_for 15 lighttpd_gone || :
	if [ -e "$config" ] && [ -x "$demo/bin/wakegate" ]; then
		wakegate stop || :
	fi
	if ! wait_for 10 nothing_left; then
		for each in $(ours); do
			say "still there: $each $(tr '\0' ' ' \
				<"/proc/$each/cmdline" 2>/dev/null || :)"
		done
		die "not everything ended; its folder is $demo"
	fi
	rm -rf "$demo"
	say 'stopped: no process is left, the folder is gone'
}

stop_other() {
	[ -d "$demo" ] || die 'no demonstration runs'
	[ -n "$(find "$demo" -maxdepth 0 -type d -user "$(id -u)")" ] ||
		die "'$demo' is not ours"
	other=$(cat "$demo/pid" 2>/dev/null || :)
	if [ -n "$other" ] && grep -qsa 'demo\.sh' "/proc/$other/cmdline"; then
		kill -TERM "$other"
		wait_for 120 test ! -e "$demo" || die 'it does not stop'
		say 'stopped'
	else
		clean_up # it was killed: end what it left
	fi
}

free_port() { # FIRST: a port from there on that nobody listens on
	candidate=$1
	while grep -qsi "$(printf ':%04X [0-9A-F:]* 0A ' "$candidate")" \
		/proc/net/tcp /proc/net/tcp6; do
		candidate=$((candidate + 1))
	done
	echo "$candidate"
}

build() {
	cd "$top"
	# shellcheck source=tools/packages.sh
	. tools/packages.sh
	# shellcheck disable=SC2086
	packages_need $PACKAGES_BUILD $PACKAGES_DEMO
	say 'building'
	mkdir -p "$build"
	(
		{ [ -x configure ] || ./autogen.sh; } && cd "$build" &&
			{ [ -e Makefile ] || "$top/configure"; } &&
			"${MAKE:-make}" -j"$(nproc)" wakegate \
				tests/fake/gateway
	) >"$build/demo.log" 2>&1 || {
		tail -n 30 "$build/demo.log" >&2
		die 'cannot build'
	}
}

install_openclaw() {
	# shellcheck source=tools/openclaw.sh
	. tools/openclaw.sh
	say 'installing OpenClaw from npm, which takes half a minute'
	openclaw_need "$top/.cache/openclaw" || die 'cannot install OpenClaw'
	as_user test -r "$OPENCLAW_PROGRAM" && return
	# The source is where its user may not go.
	cp -R "$top/.cache/openclaw" "$demo/openclaw"
	openclaw_need "$demo/openclaw" || die 'cannot copy OpenClaw'
}

small_gateway() { # the configuration of tests/fake/gateway
	cat <<-JSON
		"address": "127.0.0.1:$gateway_port",
		"command": ["$demo/bin/gateway", "--boot-ms", "2000",
			"--listen", "127.0.0.1:$gateway_port"],
		"probe": { "path": "/startupz", "body_has": "\"ok\":true" },
	JSON
}

openclaw_gateway() {
	cat <<-JSON
		"address": "127.0.0.1:$gateway_port",
		"command": ["$OPENCLAW_NODE", "$OPENCLAW_PROGRAM", "gateway",
			"--port", "$gateway_port", "--bind", "loopback",
			"--allow-unconfigured"],
		"process": "openclaw-gateway",
		"probe": { "path": "/startupz", "body_has": "\"ok\":true" },
		"forwarded": "none",
	JSON
}

environment() {
	printf '"HOME": "%s/home", "PATH": "/usr/local/bin:/usr/bin:/bin", ' \
		"$run"
	if [ "$gateway" = openclaw ]; then
		printf '"OPENCLAW_GATEWAY_TOKEN": { "file": "%s/token" }, ' \
			"$run"
	fi
	printf '"WAKEGATE_DEMO": "%s"' "$demo"
}

write_files() {
	gateway_port=$(free_port 18800)
	if [ "$gateway" = openclaw ]; then
		(umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' \
			>"$run/token")
	fi
	{
		printf '{ "state_dir": "%s/state", "gateways": { "%s": {\n' \
			"$run" "$gateway"
		"${gateway}_gateway"
		printf '"directory": "%s/home", "environment": { %s }\n} } }\n' \
			"$run" "$(environment)"
	} >"$config"
	sed -e "s|@PORT@|$port|g" -e "s|@RUN@|$run|g" \
		-e "s|@WAKEGATE@|$demo/bin/wakegate|g" \
		-e "s|@CONFIG@|$config|g" "$top/conf/lighttpd.conf" \
		>"$run/lighttpd.conf"
	[ "$(id -u)" -ne 0 ] || chown -R "$user:$user" "$run"
}

start() {
	lighttpd=$(PATH=$PATH:/usr/sbin:/sbin command -v lighttpd) ||
		die 'lighttpd is missing'
	# A session of its own: Ctrl-C is for this script, which then stops
	# things in their order.
	(
		cd /
		export WAKEGATE_DEMO="$demo"
		if [ "$(id -u)" -eq 0 ]; then
			exec setsid setpriv --reuid="$user" --regid="$user" \
				--clear-groups "$lighttpd" -D \
				-f "$run/lighttpd.conf"
		fi
		exec setsid "$lighttpd" -D -f "$run/lighttpd.conf"
	) </dev/null >"$run/lighttpd.out" 2>&1 &
	web=$!
	wait_for 10 listens || {
		cat "$run/lighttpd.out" "$run/lighttpd.log" >&2 || :
		die "lighttpd does not start on 127.0.0.1:$port" \
			"(DEMO_PORT chooses another)"
	}
}

listens() {
	kill -0 "$web" 2>/dev/null &&
		grep -qs 'server started' "$run/lighttpd.log"
}

explain() {
	say '' "Open  http://127.0.0.1:$port/" ''
	case $gateway in
	small)
		say 'The first request starts the gateway, which takes 2 s. Its page' \
			'shows its process and lets it crash: then go back, and' \
			'another one answers.'
		;;
	openclaw)
		say 'The first request starts OpenClaw, which takes 10 s.'
		;;
	esac
	say '' 'Look at it from another terminal:' \
		"  $demo/bin/wakegate -c $config status" \
		"  $demo/bin/wakegate -c $config events -f" ''
	say 'Ctrl-C here ends it, and so does: sh conf/demo.sh --stop'
}

for argument in "$@"; do
	case $argument in
	--openclaw) gateway=openclaw ;;
	--stop)
		stop_other
		exit
		;;
	*)
		say 'usage: sh conf/demo.sh [--openclaw] [--stop]' >&2
		exit 2
		;;
	esac
done

[ ! -e "$demo" ] || die "a demonstration runs: sh conf/demo.sh --stop ('$demo')"
build
mkdir "$demo" # fails where somebody was first
trap clean_up EXIT
trap 'exit 0' INT TERM HUP
chmod 755 "$demo"
echo "$$" >"$demo/pid"
mkdir "$demo/bin" "$run" "$run/empty" "$run/home"
cp "$build/wakegate" "$build/tests/fake/gateway" "$demo/bin/"
[ "$gateway" != openclaw ] || install_openclaw
write_files
start
explain
wait "$web" || :
die 'lighttpd ended by itself'
