#!/usr/bin/env bats
# Commands of the configuration that an administrator runs over HTTP.

load helper

TOKEN=0123456789abcdef0123456789abcdef

own_setup() {
	(umask 077 && echo "$TOKEN" >"$RUN/token")
	cat >"$RUN/tell" <<-'END'
		#!/bin/sh
		# Each argument between brackets, a line each.
		for word; do echo "[$word]"; done
	END
	cat >"$RUN/devices" <<-END
		#!/bin/sh
		cat "$RUN/devices.json"
	END
	cat >"$RUN/children" <<-END
		#!/bin/sh
		sleep 300 & echo \$! >>"$RUN/pids"
		(trap '' TERM; sleep 301) & echo \$! >>"$RUN/pids"
		echo \$\$ >>"$RUN/pids"
		echo begun
		"\$@"
	END
	chmod +x "$RUN/tell" "$RUN/devices" "$RUN/children"
}

# write_actions ACTIONS [JQ FILTER]
write_actions() {
	write_config '.admin = {users: ["alice"],
		token_file: (.gateways.fake.directory + "/token")}
		| .gateways.fake.directory as $run
		| .gateways.fake.actions = '"$1"' | '"${2:-.}"
}

TELL='{tell: {command: [$run + "/tell", "{a}", "x{b}y", "plain"],
	parameters: {a: "^[a-z ;$()*]+$", b: "[0-9]*"}}}'

# action NAME [CURL OPTIONS]
action() {
	local name=$1

	shift
	(($#)) || set -- -d '' # lighttpd wants a length
	get "/api/admin/actions/$name" -X POST \
		-H "Authorization: Bearer $TOKEN" "$@"
}

problem() {
	[ "$code" = "$1" ] || fail "$code instead of $1: $body"
	[[ $(header Content-Type) == application/problem+json* ]] ||
		fail "$(header Content-Type)"
	[ "$(json .code)" = "$2" ] || fail "$body"
}

@test "an action runs its command with its parameters, from JSON or a form" {
	write_actions "$TELL"
	start_lighttpd
	action tell -H 'Content-Type: application/json' \
		-d '{"a": "abc", "b": "12"}'
	[ "$code" = 200 ] || fail "$code $body"
	[ "$(header Content-Type)" = application/json ]
	[ "$(header Cache-Control)" = no-store ]
	[ "$(json .success)" = true ]
	[ "$(json .exit)" = 0 ]
	[ "$(json .output)" = $'[abc]\n[x12y]\n[plain]' ] || fail "$body"
	action tell -d 'a=a+b%3B&b='
	[ "$(json .output)" = $'[a b;]\n[xy]\n[plain]' ] || fail "$body"
	action tell -d '{"a": "abc", "b": 7}'
	[ "$(json .output)" = $'[abc]\n[x7y]\n[plain]' ] || fail "$body"
	[ ! -s "$STARTS" ] || fail "the gateway was started"
}

@test "no shell sees a value, and none is split into words" {
	write_actions "$TELL"
	start_lighttpd
	action tell --data-urlencode 'a=$(id) ; touch *' -d b=1
	[ "$code" = 200 ] || fail "$body"
	[ "$(json .output)" = $'[$(id) ; touch *]\n[x1y]\n[plain]' ] ||
		fail "$body"
	action tell --data-urlencode 'a=`id`' -d b=1
	problem 400 bad_request
}

@test "parameters that are not as they must be: 400, which, and nothing is run" {
	write_actions "$TELL + {opt: {command: [\$run + \"/tell\", \"{a}\"],
		parameters: {a: \".*\"}}}"
	start_lighttpd
	for DATA in 'a=ABC&b=1' 'a=abcD&b=1' 'a=abc&b=x' 'a=&b=1' 'a=abc' '' \
		'a=abc&b=1&c=2' 'a=abc&a=def&b=1' 'a=abc%0a&b=1' 'a=%zz&b=1' \
		'a=abc%00&b=1' '{"a": "abc", "b": ["1"]}' \
		'{"a": "abc", "b": null}' '{"a": "abc", "b": true}' '[]' '{'; do
		action tell -d "$DATA"
		problem 400 bad_request
	done
	action tell -d 'a=abc'
	[[ $(json .detail) == *"'b' is missing"* ]] || fail "$body"
	action tell -d 'a=ABC&b=1'
	[[ $(json .detail) == *"'a' must match"* ]] || fail "$body"
	[[ $(json .detail) != *ABC* ]]
	action opt -d 'a=--all'
	problem 400 bad_request
	[[ $(json .detail) == *"must not begin with '-'"* ]] || fail "$body"
	action tell -d "a=$(printf 'x%.0s' {1..2000})&b=1"
	problem 400 bad_request
	action tell -d "a=$(printf 'x%.0s' {1..20000})&b=1"
	problem 413 body_too_large
	[ "$(events_of action)" = 0 ]
}

@test "an action that is not configured is not found; GET lists those that are" {
	write_actions "$TELL"
	start_lighttpd
	action none
	problem 404 not_found
	action tell/x
	problem 404 not_found
	action ''
	problem 404 not_found
	get /api/admin/actions/tell -H "Authorization: Bearer $TOKEN"
	problem 405 method_not_allowed
	get /api/admin/actions -H "Authorization: Bearer $TOKEN"
	[ "$code" = 200 ]
	[ "$(json '.actions[0].name, .actions[0].parameters[]' | xargs)" = \
		'tell a b' ] || fail "$body"
}

@test "without credentials, or from elsewhere, nothing is run" {
	write_actions "$TELL"
	start_lighttpd
	get /api/admin/actions/tell -X POST -d 'a=abc&b=1'
	problem 401 unauthorized
	action tell -d 'a=abc&b=1' -H 'Origin: http://evil.example'
	problem 403 forbidden
	[ "$(events_of action)" = 0 ]
}

@test "output as JSON: parsed, also behind other lines; else it is text" {
	write_actions '{devices: {command: [$run + "/devices"], output: "json"}}'
	start_lighttpd
	echo '{"pending": [{"id": "a-1"}], "n": 1.5}' >"$RUN/devices.json"
	action devices
	[ "$code" = 200 ] || fail "$body"
	[ "$(json '.output.pending[0].id')" = a-1 ]
	[ "$(json '.output.n')" = 1.5 ]
	printf 'a banner [1]\n[{"id": 3}]\n' >"$RUN/devices.json"
	action devices
	[ "$(json '.output[0].id')" = 3 ] || fail "$body"
	printf 'no devices {' >"$RUN/devices.json"
	action devices
	[ "$(json .output)" = 'no devices {' ] || fail "$body"
	printf '\377\0x' >"$RUN/devices.json"
	action devices
	[ "$code" = 200 ]
	[ "$(json .output)" = '??x' ] || fail "$body"
}

@test "a command that fails: its exit status, and what it said" {
	write_actions '{no: {command: ["sh", "-c", "echo so; echo why >&2; exit 3"]},
		nojson: {output: "json",
			command: ["sh", "-c", "echo []; echo why >&2; exit 3"]},
		dies: {command: ["sh", "-c", "kill -9 $$"]},
		none: {command: ["/nowhere/program"]}}'
	start_lighttpd
	action no
	[ "$code" = 200 ] || fail "$body"
	[ "$(json '.success, .exit' | xargs)" = 'false 3' ]
	[ "$(json .output)" = $'so\nwhy' ]
	action nojson
	[ "$(json '.output | length')" = 0 ]
	[ "$(json .errors)" = why ]
	action dies
	[ "$(json '.success, .exit, .signal' | xargs)" = 'false null 9' ]
	action none
	problem 500 action_failed
	[[ $(json .detail) == *"No such file"* ]]
}

@test "at its time the whole tree is killed: 504" {
	local pid

	write_actions '{slow: {command: [$run + "/children", "sleep", "302"],
		timeout_s: 1}}'
	start_lighttpd
	action slow
	problem 504 operation_timeout
	[ "$(wc -l <"$RUN/pids")" -eq 3 ]
	while read -r pid; do
		eventually 3 gone "$pid"
	done <"$RUN/pids"
}

@test "what an action leaves behind ends with it" {
	local pid began

	write_actions '{left: {command: [$run + "/children", "true"],
		timeout_s: 20}}'
	start_lighttpd
	began=$(now_ms)
	action left
	[ "$code" = 200 ] || fail "$body"
	[ "$(json .output)" = begun ]
	(($(now_ms) - began < 10000))
	while read -r pid; do
		eventually 3 gone "$pid"
	done <"$RUN/pids"
}

@test "output is bounded, however much it is" {
	write_actions '{much: {command: ["sh", "-c",
		"head -c 3000000 /dev/zero | tr \"\\0\" x"]}}'
	start_lighttpd
	action much
	[ "$code" = 200 ]
	[ "$(json .cut)" = true ]
	[ "$(json '.output | length')" -eq 262144 ]
	[ "$(json .success)" = true ]
}

@test "the command gets the gateway's environment and folder, and no secret as a word" {
	write_actions '{environment: {command: ["env"]}, where: {command: ["pwd"]},
		descriptors: {command: ["ls", "/proc/self/fd"]}}' \
		'.gateways.fake.environment = {APP_MODE: "plain-mode",
			"HOME": "/nowhere"}'
	start_lighttpd
	action environment
	[ "$code" = 200 ] || fail "$body"
	[[ $(json .output) == *APP_MODE=* ]] || fail "$body"
	[[ $(json .output) == *HOME=/nowhere* ]]
	[[ $(json .output) != *WAKEGATE* ]] || fail "$body"
	[[ $(json .output) != *HTTP_* ]]
	action where
	[ "$(json .output)" = "$RUN" ]
	action descriptors
	[ "$(json .output | xargs)" = '0 1 2 3' ] || fail "$body"
}

@test "an action that prints without end is ended in time" {
	local begin

	write_actions '{flood: {command: ["cat", "/dev/zero"], timeout_s: 1}}'
	start_lighttpd
	begin=$(now_ms)
	action flood
	(($(now_ms) - begin < 10000)) || fail "$(($(now_ms) - begin)) ms"
	problem 504 operation_timeout
}

@test "secrets are redacted, in text, in JSON, and in the events" {
	write_actions '{text: {command: ["env"]},
		json: {command: [$run + "/devices"], output: "json"},
		say: {command: [$run + "/tell", "{what}"],
			parameters: {what: ".*"}}}' \
		'.gateways.fake.environment = {APP_TOKEN: "hush-hush-hush"}'
	start_lighttpd
	action text
	[[ $(json .output) == *'APP_TOKEN=[redacted]'* ]] || fail "$body"
	[[ $body != *hush* ]]
	cat >"$RUN/devices.json" <<-'END'
		{"token": "abcdef", "authorization": "Bearer zyx", "a": [
			{"id": "d-1", "says": "it is hush-hush-hush",
			"password": 12345678}], "b": null,
			"tokens": ["hush1", ["hush2", 3]], "keys": {"id": "d-2"}}
	END
	action json
	[ "$(json '.output.a[0].id')" = d-1 ] || fail "$body"
	[ "$(json '.output.token, .output.authorization,
		.output.a[0].password' | xargs)" = \
		'[redacted] [redacted] [redacted]' ] || fail "$body"
	[ "$(json '.output.tokens | flatten | unique[]')" = '[redacted]' ]
	[ "$(json .output.keys.id)" = d-2 ]
	[ "$(json '.output.a[0].says')" = 'it is [redacted]' ]
	action say -d what=hush-hush-hush
	[ "$(json .output)" = '[[redacted]]' ] || fail "$body"
	never grep -rqF hush-hush "$RUN"/*.log "$STATE"/
	[ "$(events_of action)" = 3 ]
}

@test "each run is an event: who, what, with which values, and what came of it" {
	write_actions "$TELL"
	cgi POST /api/admin/actions/tell REMOTE_USER=alice CONTENT_LENGTH=9 \
		<<<'a=abc&b=1'
	[ "$code" = 200 ] || fail "$(cat "$RUN/cgi")"
	[ "$(query "SELECT detail ->> 'action', detail ->> 'user',
		detail ->> '\$.parameters.a', detail ->> 'exit', length(request)
		FROM event WHERE kind = 'action'")" = 'tell|alice|abc|0|32' ] ||
		fail "$(query 'SELECT * FROM event')"
	wg events | grep -q action
}

@test "wakegate check tells what is wrong with an action" {
	write_actions '{a: {command: ["x", "{id}"]}}'
	run wg check
	[ "$status" -eq 2 ]
	[[ $output == *"gateways.fake.actions.a.command[1]: '{id}' is none of 'parameters'"* ]] ||
		fail "$output"
	write_actions '{a: {command: ["x", "--password", "hush-hush"]}}'
	run wg check
	[ "$status" -eq 0 ] || fail "$output"
	[[ $output == *'"timeout_s": 20'* && $output != *hush-hush* ]] ||
		fail "$output"
}
