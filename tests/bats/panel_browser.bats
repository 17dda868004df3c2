#!/usr/bin/env bats
# The operator's page in a browser, with script and without.

load helper
load browser

TOKEN=0123456789abcdef0123456789abcdef

setup_file() {
	browser_setup
}

own_setup() {
	export PANEL_TOKEN=$TOKEN PANEL_RUN=$RUN
	FLAGS=(--boot-ms 300 --log-lines 'it <i>says</i> hello')
}

# A gateway with a backup, and devices as OpenClaw has them.
write_panel() {
	mkdir -p "$RUN/files"
	echo first >"$RUN/files/note"
	echo '{"pending": [{"requestId": "r-1", "name": "a phone"},
		{"requestId": "r-2", "name": "a laptop"},
		{"requestId": "r-3", "name": "a tablet"}], "paired": []}' \
		>"$RUN/devices.json"
	cat >"$RUN/approve" <<-END
		#!/bin/sh
		jq --arg id "\$1" '.paired += [.pending[] | select(.requestId == \$id)
			| {deviceId: .name}] | .pending -= [.pending[]
			| select(.requestId == \$id)]' \
			"$RUN/devices.json" >"$RUN/devices.new" &&
			mv "$RUN/devices.new" "$RUN/devices.json"
	END
	chmod +x "$RUN/approve"
	(umask 077 && echo "$TOKEN" >"$RUN/token")
	write_config '.gateways.fake.directory as $run
		| .admin = {token_file: ($run + "/token")}
		| .gateways.fake.backup = {directory: ($run + "/files"),
			to: ($run + "/snapshots"), every_s: 0, on_stop: false}
		| .gateways.fake.actions = {
			devices: {command: ["cat", $run + "/devices.json"],
				output: "json"},
			approve: {command: [$run + "/approve", "{requestId}"],
				parameters: {requestId: "^[A-Za-z0-9-]+$"}}}'
}

steer_with() {
	write_panel
	start_web "$1"
	if ((${#AS[@]})); then chown -R www-data:www-data "$RUN"; fi
	wg start
	browse panel.mjs "$2"
	[ "$(row generation)" = 4 ] || fail "generation $(row generation)"
	[ "$(row state)" = ready ]
	[ "$(cat "$RUN/files/note")" = first ]
	[ "$(jq '.paired | length' "$RUN/devices.json")" = 3 ]
	[ "$(events_of action)" -ge 3 ]
}

@test "under lighttpd: restart, back up, restore, approve, in place" {
	steer_with lighttpd steer
}

@test "under Apache: restart, back up, restore, approve, in place" {
	steer_with apache steer
}

@test "without script it does the same" {
	steer_with lighttpd plain
}

@test "a page of another origin: its POST is refused, and moves nothing" {
	local pid

	write_panel
	start_lighttpd
	wg start
	pid=$(row pid)
	browse panel.mjs foreign
	[ "$(row generation)" = 1 ]
	[ "$(row pid)" = "$pid" ]
	[ "$(events_of stop_wanted)" = 0 ]
}

@test "what happens elsewhere appears by itself" {
	write_panel
	start_lighttpd
	browse panel.mjs live
}
