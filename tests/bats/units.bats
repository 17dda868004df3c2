#!/usr/bin/env bats
# The units of systemd. There is no systemd to start them here: their syntax, how
# confined they are, and that wakegate needs nothing that they forbid.

load helper

own_setup() {
	export SYSTEMD_COLORS=0 SYSTEMD_PAGER='' SYSTEMD_LOG_LEVEL=warning
	UNITS=$RUN/units
	mkdir "$UNITS"
	for unit in wakegate.service wakegate.socket wakegate-gateways.service; do
		sed "s|/usr/bin/wakegate|$WAKEGATE|" \
			"$TOP_SRCDIR/conf/$unit" >"$UNITS/$unit"
	done
}

# What a service says about its confinement.
confinement() {
	grep -E '^(User|Group|State|KillMode|OOM|Limit|UMask|NoNew|Capab|Ambient|Restrict|Lock|Protect|Private|SystemCall)' \
		"$UNITS/$1" | sort
}

# The system calls of a set, and of the sets in it. (Once: it takes a moment.)
calls_of() {
	local word

	[ -e "$RUN/sets" ] || systemd-analyze syscall-filter >"$RUN/sets" 2>/dev/null
	for word in $(awk -v set="$1" '
		/^@/ { inside = $1 == set }
		inside && /^    [@a-z_]/ { print $1 }' "$RUN/sets"); do
		case $word in
		@*) calls_of "$word" ;;
		*) echo "$word" ;;
		esac
	done
}

@test "systemd understands every line of the units" {
	run systemd-analyze verify --man=no "$UNITS"/*
	[ "$status" -eq 0 ]
	[ -z "$output" ] || fail "$output"
}

@test "a line that systemd does not understand would be noticed" {
	echo 'ProtectEverything=yes' >>"$UNITS/wakegate.socket"
	run systemd-analyze verify --man=no "$UNITS"/*
	[[ $output == *ProtectEverything* ]]
}

@test "the services are exposed to 3.0 of 10 at most, and both alike" {
	for unit in wakegate wakegate-gateways; do
		systemd-analyze security --offline=yes --threshold=30 \
			"$UNITS/$unit.service" >"$RUN/$unit.security" ||
			fail "$(tail -n 3 "$RUN/$unit.security")"
	done
	[ "$(confinement wakegate.service)" = \
		"$(confinement wakegate-gateways.service)" ]
}

@test "restarting wakegate.service ends its own process only" {
	grep -qx 'KillMode=process' "$UNITS/wakegate.service"
	grep -qx 'OOMPolicy=continue' "$UNITS/wakegate.service"
	! grep -E '^Exec(StartPre|StartPost|Stop|StopPost|Reload)=' \
		"$UNITS/wakegate.service"
}

@test "a start, a snapshot, a restart and a stop make no call that the units forbid" {
	local trace=$RUN/trace filter families

	filter=$(sed -n 's/^SystemCallFilter=//p' "$UNITS/wakegate.service")
	families=$(sed -n 's/^RestrictAddressFamilies=//p' \
		"$UNITS/wakegate.service")
	calls_of "$filter" | sort -u >"$RUN/allowed"
	[ "$(wc -l <"$RUN/allowed")" -gt 200 ]

	mkdir "$RUN/data"
	echo precious >"$RUN/data/file"
	write_config '.gateways.fake.backup = { directory: "'"$RUN"'/data" }'
	# strace returns when the last of them has ended
	timeout 90 strace -f -qq -o "$trace" bash -c '
		"$1" start && "$1" backup && "$1" restart && "$1" stop' \
		- "$WAKEGATE" 3>&-
	nothing_left
	sed -n 's/^[0-9]* *\([a-z][a-z0-9_]*\)(.*/\1/p' "$trace" |
		sort -u >"$RUN/called"
	grep -qx pidfd_send_signal "$RUN/called"
	comm -23 "$RUN/called" "$RUN/allowed" >"$RUN/forbidden"
	[ ! -s "$RUN/forbidden" ] || fail "$(cat "$RUN/forbidden")"

	sed -n 's/^[0-9]* *socket(\(AF_[A-Z0-9]*\),.*/\1/p' "$trace" |
		sort -u >"$RUN/families"
	grep -qx AF_INET "$RUN/families"
	while read -r family; do
		[[ " $families " == *" $family "* ]] || fail "$family"
	done <"$RUN/families"
}
