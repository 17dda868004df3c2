#!/usr/bin/env bats
# `events -f` and `log -f` go on whatever happens to what they follow; what status
# looks like on a terminal; where log lines go.

load helper

own_setup() {
	write_config
}

# follow COMMAND...: what it says goes to $RUN/followed.
follow() {
	timeout 60 "$WAKEGATE" -c "$CONFIG" "$@" >"$RUN/followed" \
		2>"$RUN/followed.err" 3>&- &
	FOLLOWER=$!
	BACKGROUND+=("$FOLLOWER")
}

says() {
	grep -q -- "$1" "$RUN/followed"
}

count_is() {
	[ "$(grep -c -- "$1" "$RUN/followed")" -eq "$2" ]
}

@test "events -f goes on in the new database when the old one was deleted" {
	wg start
	follow events -f
	eventually 5 says ready
	wg stop
	eventually 5 says stopped
	delete_database
	sleep 0.5
	wg start
	eventually 8 count_is ' ready' 2
	alive "$FOLLOWER"
}

@test "events -f tells each once, in their order" {
	wg start
	follow events -f
	eventually 5 says ready
	wg restart
	wg stop
	eventually 5 count_is ' stopped' 2
	[ "$(awk '{ print $4 }' "$RUN/followed" | tr '\n' ' ')" = \
		"$(query "SELECT kind || ' ' FROM event" | tr -d '\n')" ] ||
		fail "$(cat "$RUN/followed")"
}

log_is_small() {
	(($(stat -c %s "$STATE/fake.log") < 8388608))
}

# The keeper rotates what is larger than 8 MB.
@test "log -f goes on behind rotations, and loses and repeats nothing" {
	local i

	wg start
	follow log -f
	eventually 5 says listening
	for i in 1 2 3; do
		seq -f "filler $i a line that fills the log, and its number %.0f" \
			150000 >"$RUN/filler"
		cat "$RUN/filler" >>"$STATE/fake.log"
		eventually 20 log_is_small
		echo "after $i" >>"$STATE/fake.log"
		eventually 30 says "^after $i"
		grep "^filler $i " "$RUN/followed" | cmp - "$RUN/filler" ||
			fail "rotation $i"
	done
	[ "$(grep -c '^after' "$RUN/followed")" -eq 3 ]
}

@test "log -f goes on when the file was deleted or replaced, or was not there yet" {
	mkdir -p "$STATE"
	follow log -f
	sleep 0.3
	wg start
	eventually 5 says listening
	rm -f "$STATE/fake.log"
	wg restart
	eventually 8 count_is listening 2
	alive "$FOLLOWER"
}

@test "log shows no secret, however it is followed" {
	wg start
	follow log -f
	eventually 5 says listening
	printf 'token=hush-hush\n{"password": "hush hush"}\n' >>"$STATE/fake.log"
	printf -- '-----BEGIN PRIVATE KEY-----\nMIIhush\n' >>"$STATE/fake.log"
	sleep 0.5
	printf 'hush==\n-----END PRIVATE KEY-----\n"tokens": [\n"hush",\n' \
		>>"$STATE/fake.log"
	sleep 0.5
	printf '"hush"\n],\n{"k": "-----BEGIN PRIVATE KEY-----%shush%s"}\nthe end\n' \
		'\n' '\n-----END PRIVATE KEY-----' >>"$STATE/fake.log"
	eventually 5 says 'the end'
	! says hush || fail "$(cat "$RUN/followed")"
	[ "$(grep -c 'redacted' "$RUN/followed")" -ge 3 ]
	wg log >"$RUN/followed"
	says 'the end'
	! says hush || fail "$(cat "$RUN/followed")"
}

@test "a follower ends when nobody reads it any more" {
	wg start
	background bash -c "'$WAKEGATE' -c '$CONFIG' events -f | head -n 1"
	eventually 5 grep -q claimed "$RUN/background.log"
	pgrep -f -- "$CONFIG events -f"
	wg restart
	eventually 8 never pgrep -f -- "$CONFIG events -f"
}

# As on a terminal of its own.
on_terminal() {
	script -qec "'$WAKEGATE' -c '$CONFIG' $*" /dev/null </dev/null |
		tr -d '\r' >"$RUN/terminal"
}

@test "status is a table on a terminal, lines in a pipe, JSON when asked" {
	take_port
	write_config ".gateways.other = (.gateways.fake | .mount = \"/other\"
		| .address = \"127.0.0.1:$REPLY\")"
	wg start fake
	on_terminal status
	[ "$(wc -l <"$RUN/terminal")" -eq 3 ] || fail "$(cat "$RUN/terminal")"
	head -n 1 "$RUN/terminal" | grep -q '^GATEWAY *STATE *GENERATION'
	grep -q '^fake *ready *1 ' "$RUN/terminal"
	grep -q '^other *stopped *0 ' "$RUN/terminal"
	on_terminal status fake
	grep -q '^  generation' "$RUN/terminal"
	wg status >"$RUN/piped"
	grep -q '^fake: ready' "$RUN/piped"
	on_terminal status --json
	jq -e 'map(.name) | sort == ["fake", "other"]' "$RUN/terminal"
}

# --- log lines -----------------------------------------------------------------

@test "log: \"syslog\" sends the lines there, and none to the server's log" {
	((EUID == 0)) || fail "needs root, for /dev/log"
	write_config '.log = "syslog"'
	# a /dev of its own, where somebody listens on /dev/log
	cat >"$RUN/world.sh" <<-'END'
		mount -t tmpfs none /mnt && cp -a /dev/null /dev/urandom /mnt
		mount --move /mnt /dev 2>/dev/null || mount --bind /mnt /dev
		"$SYSLOGD" /dev/log "$RUN/syslog" &
		listener=$!
		while [ ! -S /dev/log ]; do sleep 0.05; done
		env -i GATEWAY_INTERFACE=CGI/1.1 REQUEST_METHOD=GET \
			REQUEST_URI=/pid WAKEGATE_CONFIG="$CONFIG" \
			"$WAKEGATE" >"$RUN/cgi" 2>"$RUN/stderr"
		"$WAKEGATE" -c "$CONFIG" stop
		until grep -q event=spawned "$RUN/syslog"; do sleep 0.05; done
		kill "$listener"
	END
	export RUN CONFIG WAKEGATE SYSLOGD=$TOP_BUILDDIR/tests/fake/syslogd
	timeout 60 unshare --mount sh "$RUN/world.sh" 3>&-
	grep -q 'wakegate\[[0-9]*\]: level=info .*gateway=fake' "$RUN/syslog" ||
		fail "$(cat "$RUN/syslog" "$RUN/stderr" "$RUN/cgi")"
	grep -q 'event=spawned' "$RUN/syslog"
	[ ! -s "$RUN/stderr" ] || fail "$(cat "$RUN/stderr")"
}

@test "a log line is one line, of key=value, with its level" {
	write_config '.gateways.fake.wait_s = 1 | .gateways.fake.command[0] = "/none"'
	start_lighttpd
	get /pid
	grep '^20..-..-..T' "$RUN/server.log" >"$RUN/lines"
	[ -s "$RUN/lines" ]
	! grep -vE '^[0-9-]+T[0-9:.]+Z level=(error|warning|info|debug) pid=[0-9]+( [a-z_]+=("[^"]*"|[^ "]+))+$' \
		"$RUN/lines" || fail "these lines are not"
	grep -q "level=warning .*request=$(json .instance) .*code=failed" "$RUN/lines"
}
