#!/usr/bin/env bats
# Completion in bash, as `make install` puts it where bash-completion looks.

load helper

own_setup() {
	write_config '.gateways["second-one"] = (.gateways.fake
		| .mount = "/second" | .address = "127.0.0.1:1")'
	# shellcheck source=/dev/null
	. "$TOP_SRCDIR/conf/bash-completion/wakegate"
}

# completes WORD...: what the last word, which may be empty, can become.
completes() {
	COMP_WORDS=("$WAKEGATE" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_wakegate
	REPLY=$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')
	REPLY=${REPLY% }
	echo "$*: $REPLY"
}

@test "every command of the help is completed, and its beginning too" {
	local commands

	commands=$("$WAKEGATE" help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort |
		tr '\n' ' ')
	[[ $commands == *restart* ]]
	completes ''
	[ "$REPLY" = "${commands% }" ]
	completes re
	[ "$REPLY" = 'reset restart restore' ]
	completes -c "$CONFIG" stat
	[ "$REPLY" = status ]
}

@test "a command's options are completed, and no other's" {
	completes stop --
	[ "$REPLY" = '--all --config --hold --no-wait' ]
	completes events fake -
	[ "$REPLY" = '--config --json -c -f -n' ]
	completes serve --
	[ "$REPLY" = '--config --listen --threads' ]
	completes --v
	[ "$REPLY" = --version ]
}

@test "gateways are completed from the configuration that counts" {
	completes stop ''
	[ "$REPLY" = 'fake second-one' ]
	completes stop --hold s
	[ "$REPLY" = second-one ]
	completes stop fake ''
	[ -z "$REPLY" ]
	sed 's/second-one/third/' "$CONFIG" >"$RUN/other.json"
	completes -c "$RUN/other.json" log -n 5 ''
	[ "$REPLY" = 'fake third' ]
	completes -c /none start ''
	[ -z "$REPLY" ]
}

@test "files are completed where one is wanted, and nothing where a number is" {
	completes -c "$RUN/wakeg"
	[ "$REPLY" = "$CONFIG" ]
	completes serve --listen "$RUN/emp"
	[ "$REPLY" = "$RUN/empty" ]
	completes log -n ''
	[ -z "$REPLY" ]
}

@test "completing leaves nothing behind, no database either" {
	completes status ''
	[ "$REPLY" = 'fake second-one' ]
	[ ! -e "$STATE" ]
}

@test "an interactive bash completes a command line with it" {
	mkdir "$RUN/bin"
	ln -s "$WAKEGATE" "$RUN/bin/wakegate"
	printf '%s\n' "PATH=$RUN/bin:\$PATH" \
		". '$TOP_SRCDIR/conf/bash-completion/wakegate'" \
		"PS1='> '" >"$RUN/rc"
	printf 'wakegate vers\t\nexit\n' |
		timeout 20 bash --rcfile "$RUN/rc" -i >"$RUN/said" 2>&1 || :
	cat "$RUN/said"
	grep -q '^wakegate [0-9]' "$RUN/said"
}
