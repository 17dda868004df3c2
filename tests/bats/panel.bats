#!/usr/bin/env bats
# The operator's page, as a browser without script has it.

load helper

TOKEN=0123456789abcdef0123456789abcdef
PAGE=/_admin

own_setup() {
	BEARER=(-H "Authorization: Bearer $TOKEN" -H 'Accept: text/html')
	(umask 077 && echo "$TOKEN" >"$RUN/token")
}

write_admin() {
	write_config '.admin = {users: ["alice"],
		token_file: (.gateways.fake.directory + "/token")}
		| .gateways.fake.directory as $run | '"${1:-.}"
}

# page [PATH] [CURL OPTIONS]
page() {
	local path=${1-/}

	(($# == 0)) || shift
	get "$PAGE$path" "${BEARER[@]}" "$@"
}

# press BUTTON [CURL OPTIONS]: sends its form, and gives the answer itself.
press() {
	local button=$1

	shift
	(($#)) || set -- -d '' # lighttpd wants a length
	page "/$button" -X POST -H "Origin: $URL" "$@"
}

# The page's text, without marks.
text() {
	sed '/<style/,/<\/style>/d; /<script/,/<\/script>/d' "$RUN/body" |
		sed 's/<[^>]*>/ /g' | tr -s ' \n' ' '
}

page_says() {
	page
	says "$1"
}

says() {
	[[ $(text) == *"$1"* ]] || fail "no '$1' in: $(text)"
}

@test "the page tells the state, and leads nowhere else" {
	FLAGS=(--log-lines 'it <b>says</b> token=hush-hush')
	write_admin
	start_lighttpd
	page
	[ "$code" = 200 ] || fail "$code $body"
	[[ $(header Content-Type) == text/html* ]]
	[ "$(header Cache-Control)" = no-store ]
	[[ $(header Content-Security-Policy) == "default-src 'none'; script-src 'nonce-"*"form-action 'self'"*"frame-ancestors 'none'"* ]]
	says 'Stopped The next request starts it.'
	[ ! -s "$STARTS" ] || fail "it was started"
	wg start
	get /pid
	page
	says 'Ready Requests are passed on to it.'
	says "pid $(row pid)"
	says 'Memory'
	says 'Processes 1 '
	says ' claimed '
	eventually 5 page_says 'Usually ' # noted just after ready
	grep -q 'it &lt;b&gt;says&lt;/b&gt; token=\[redacted\]' "$RUN/body"
	[[ $body != *hush-hush* ]]
	[ -z "$(grep -oE '(src|href|action)="[^"]*"' "$RUN/body" |
		grep -vE '"(\./|data:,|[a-z]+(\?[^"]*)?)"')" ] ||
		fail "not relative"
	[ "$(stat -c %s "$RUN/body")" -lt 40000 ]
}

# Of the last answer's policy, in $REPLY.
nonce() {
	REPLY=$(header Content-Security-Policy |
		sed -n "s/.*script-src 'nonce-\([0-9a-f]*\)'.*/\1/p")
	[ "${#REPLY}" -eq 32 ] || fail "nonce '$REPLY'"
}

@test "a nonce can't be told from the request's id, or from the one before" {
	local path id before

	write_admin
	start_lighttpd
	for path in / '/confirm?do=stop'; do
		page "$path"
		nonce
		before=$REPLY
		page "$path"
		nonce
		id=$(header X-Request-Id)
		[ "${#id}" -eq 32 ]
		[ "${REPLY:0:16}" != "${before:0:16}" ]
		[ "${REPLY:16}" != "${before:16}" ]
		[ "${REPLY:0:16}" != "${id:0:16}" ]
		[ "$(grep -c "nonce=\"$REPLY\"" "$RUN/body")" -eq 2 ]
	done
}

@test "its address without the last '/' leads to it" {
	write_admin
	start_lighttpd
	page ''
	[ "$code" = 303 ]
	get "$PAGE" "${BEARER[@]}" -L
	[ "$code" = 200 ] || fail "$code"
	says Stopped
}

@test "start, restart, reset and stop: the button, then the page that says so" {
	local pid

	write_admin
	start_lighttpd
	press start
	[ "$code" = 303 ] || fail "$code $body"
	[[ $(header Location) == *'?done=start' ]]
	page '/?done=start'
	says 'It is to be started.'
	eventually 10 row_is state ready
	pid=$(row pid)
	page '/confirm?do=restart'
	[ "$code" = 200 ] || fail "$code"
	says 'broken off: open requests, WebSockets'
	[ "$(row pid)" = "$pid" ]
	press restart
	[ "$code" = 303 ]
	eventually 10 row_is generation 2
	eventually 10 row_is state ready
	gone "$pid"
	page '/confirm?do=stop'
	says 'Keep it down until somebody starts it'
	press stop -d hold=1
	[ "$code" = 303 ]
	eventually 10 row_is reason held
	page
	says held
	press reset
	[ "$code" = 303 ]
	[ "$(row state)" = stopped ]
	page '/?done=%3Cb%3E'
	[ "$code" = 200 ]
	[[ $body != *'<b>'* ]]
	page '/confirm?do=none'
	[ "$code" = 404 ]
}

@test "what can't be done now is disabled, with the reason" {
	write_admin
	start_lighttpd
	page
	for reason in 'Stop It does not run.' 'Restart It does not run.' \
		'Reset There is no failure to forget.' \
		'Back up now No backup is configured.'; do
		says "$reason"
	done
	[ "$(grep -c '<button disabled aria-describedby=' "$RUN/body")" -eq 4 ]
	wg start
	page
	says 'Start It runs already.'
	press backup
	[ "$code" = 400 ]
	says 'no backup is configured'
	says 'In the configuration file: backup.'
	wg explain "$(header X-Request-Id)" >"$RUN/explained"
	grep -q backup_not_configured "$RUN/explained" || fail "$(<"$RUN/explained")"
	says 'Ready'
}

# now_is STATE [MORE]: so says the row, of a gateway that does not run.
now_is() {
	query "UPDATE gateway SET state = '$1', reason = 'x'${2:-}"
	page
	[ "$code" = 200 ] || fail "$code"
}

disabled_are() {
	[ "$(grep -c '<button disabled aria-describedby=' "$RUN/body")" -eq "$1" ] ||
		fail "not $1 are disabled: $(text)"
}

@test "a pause, a failure, a restore: what can't be done meanwhile, and why" {
	local keeper

	write_admin '.gateways.fake.backup = {directory: ($run + "/files"),
		to: ($run + "/snapshots"), every_s: 0, on_stop: false}'
	mkdir "$RUN/files"
	start_lighttpd
	wg start
	wg stop
	now_is cooldown ", retry_at_ms = $(now_ms) + 3600000, failures = 3"
	says 'Cooling down '
	says 'Next try in 59 min '
	says 'Failures in a row 3 '
	says 'Start Stop It does not run. Restart Reset Back up now '
	disabled_are 1
	now_is failed
	says 'Out of order '
	says 'Start Stop It does not run. Restart Reset Back up now '
	disabled_are 1
	query "UPDATE gateway SET state = 'stopped', failures = 0"
	wg start
	wg backup
	keeper=$(row owner_pid)
	kill -STOP "$keeper"
	now_is restoring
	says 'Restoring Its data is being put back.'
	says 'Start It is being started. Stop Restart Reset There is no failure to forget. Back up now A snapshot is being put back.'
	says 'Restore this one A snapshot is being put back.'
	disabled_are 4
	query "UPDATE gateway SET state = 'ready'"
	kill -CONT "$keeper"
}

# A gateway whose child takes 60 MB, and 0.4 s of the processor.
write_large() {
	cat >"$RUN/gateway.sh" <<-END
		#!/bin/sh
		perl -e '\$x = "y" x shift; 1 while times < 0.4; sleep 1000' 60000000 &
		"$FAKE_GATEWAY" "\$@"
	END
	chmod +x "$RUN/gateway.sh"
	COMMAND=("$RUN/gateway.sh")
}

# Over 60 MB, and over 0.4 s; of them the gateway's own process has little.
has_used() {
	page
	[[ $(text) =~ ' Processes 3 Memory '([0-9]+)[.0-9]*' MB CPU '([0-9.]+)' s' ]] &&
		((BASH_REMATCH[1] >= 57)) && [ "${BASH_REMATCH[2]/./}" -ge 4 ]
}

@test "processes, starts, exits, snapshots: each with its figures" {
	local i

	write_large
	write_admin '.gateways.fake.backup = {directory: ($run + "/files"),
		to: ($run + "/snapshots"), every_s: 0, on_stop: false}'
	mkdir "$RUN/files"
	start_lighttpd
	wg start
	eventually 20 has_used
	kill -KILL "$(row pid)"
	eventually 10 page_says ' Last exit signal 9 '
	says ', generation 1: signal 9 '
	query "DELETE FROM start_time"
	for i in 1 2 3 4; do
		query "INSERT INTO start_time (gateway, generation, at_ms, took_ms)
			VALUES ('fake', 10 + $i, $i, 1000 * $i)"
		query "INSERT INTO snapshot (gateway, generation, created_ms, bytes,
			files, sha256, path, remote, state) VALUES ('fake', 1,
			$(now_ms) - $i * 10800000, 1536 * $i, 10 * $i,
			'$(printf %064d 1)', 'here/$i', nullif('there/$i', 'there/1'),
			CASE $i WHEN 3 THEN 'bad' ELSE 'complete' END)"
	done
	page
	[ "$(grep -o 'button disabled aria-describedby="not-[0-9]"' "$RUN/body")" = \
		'button disabled aria-describedby="not-3"' ]
	[ "$(grep -c '<rect ' "$RUN/body")" -eq 4 ]
	grep -q '<rect x="0" y="60" .*height="20"><title>generation 11: 1.0 s<' "$RUN/body"
	grep -q '<rect x="54" y="0" .*height="80"><title>generation 14: 4.0 s<' "$RUN/body"
	says 'the last one 4.0 s, the longest of 4 4.0 s.'
	says '1 3 h ago 1.5 KB 10 verified here Restore this one 2 6 h ago 3.0 KB 20 verified here, bucket Restore this one 3 9 h ago 4.5 KB 30 does not verify here, bucket Restore this one Only one that is verified can be put back. 4 12 h ago 6.0 KB 40 verified'
}

@test "a page from elsewhere, or without credentials, moves nothing" {
	write_admin
	start_lighttpd
	for button in start stop restart reset backup restore 'action?run=x'; do
		page "/$button" -X POST -d x= -H 'Origin: http://evil.example'
		[ "$code" = 403 ] || fail "$button: $code"
		page "/$button" -X POST -d x= -H 'Sec-Fetch-Site: cross-site'
		[ "$code" = 403 ] || fail "$button: $code"
		get "$PAGE/$button" -X POST -d x=
		[ "$code" = 401 ] || fail "$button: $code"
	done
	get "$PAGE/"
	[ "$code" = 401 ]
	[ ! -s "$STARTS" ]
	[ "$(query 'SELECT count(*) FROM event')" = 0 ]
}

@test "back up and restore: what is lost is named, and a file comes back" {
	write_admin '.gateways.fake.backup = {directory: ($run + "/files"),
		to: ($run + "/snapshots"), every_s: 0, on_stop: false}'
	mkdir "$RUN/files"
	start_lighttpd
	wg start
	echo first >"$RUN/files/note"
	press backup
	[ "$code" = 303 ] || fail "$code $(text)"
	page '/?done=backup'
	says 'A snapshot was taken.'
	says 'verified'
	echo second >"$RUN/files/note"
	page '/confirm?do=restore&snapshot=1'
	[ "$code" = 200 ] || fail "$code"
	says 'All that was changed there since then is lost.'
	says "is put in the place of $RUN/files"
	page '/confirm?do=restore&snapshot=7'
	[ "$code" = 404 ]
	press restore -d snapshot=x
	[ "$code" = 400 ]
	press restore -d snapshot=1
	[ "$code" = 303 ] || fail "$code $(text)"
	eventually 20 row_is generation 2
	eventually 20 row_is state ready
	[ "$(cat "$RUN/files/note")" = first ]
}

# Devices as OpenClaw has them; `approve` moves one from pending to paired.
devices() {
	echo '{"pending": [{"requestId": "r-1", "name": "a <phone>"},
		{"requestId": "r-2", "name": "a laptop"}], "paired": []}' \
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
	write_admin '.gateways.fake.actions = {
		devices: {command: ["cat", $run + "/devices.json"],
			output: "json"},
		approve: {command: [$run + "/approve", "{requestId}"],
			parameters: {requestId: "^[A-Za-z0-9-]+$"}}}'
}

@test "an action's answer is a table; another one has a button in each row" {
	devices
	start_lighttpd
	page
	says 'devices'
	press 'action?run=devices'
	[ "$code" = 200 ] || fail "$code $(text)"
	says 'pending requestId name r-1 a &lt;phone&gt; approve r-2 a laptop approve'
	says 'paired Nothing.'
	press 'action?run=approve&then=devices' -d requestId=r-2
	[ "$code" = 200 ]
	says 'approve : done.'
	says 'paired deviceId a laptop'
	[ "$(jq '.paired | length' "$RUN/devices.json")" = 1 ]
	press 'action?run=approve' -d 'requestId=r 1'
	[ "$code" = 400 ]
	says "the parameter &#39;requestId&#39; must match"
	press 'action?run=none'
	[ "$code" = 404 ]
	[ ! -s "$STARTS" ]
}

@test "an action that says nothing is run once, however often its answer is loaded" {
	devices
	start_lighttpd
	press 'action?run=approve' -d requestId=r-1
	[ "$code" = 303 ] || fail "$code $(text)"
	[[ $(header Location) == *'?done=action' ]]
	page '/?done=action'
	says 'The action was run, and had nothing to say.'
	page '/?done=action'
	[ "$(events_of action)" = 1 ]
	[ "$(jq '.paired | length' "$RUN/devices.json")" = 1 ]
	: >"$RUN/devices.json"
	press 'action?run=approve' -d requestId=r-2
	[ "$code" = 303 ]
	rm "$RUN/devices.json"
	press 'action?run=approve' -d requestId=r-2
	[ "$code" = 200 ]
	says 'approve : ended with exit code 2. jq: error'
}

@test "one button approves all" {
	devices
	start_lighttpd
	press 'action?run=devices'
	says 'approve all 2'
	press 'action?run=approve&then=devices' \
		-d requestId=r-1 -d requestId=r-2
	[ "$code" = 200 ]
	says 'pending Nothing.'
	[ "$(jq '.paired | length' "$RUN/devices.json")" = 2 ]
	[ "$(events_of action)" = 4 ]
}

# Marks that HTML takes six letters for, everywhere; an archive for each snapshot.
fill_everything() {
	local marks='<&\"'\'\''<&\"<&\"<&\"<&\"<&\"<&\"<&\"<&\"<&\"<&\"'

	query "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
		WHERE i < 30) INSERT INTO event (at_ms, gateway, generation,
		kind, detail) SELECT 1700000000000 + i, 'fake', 1000000 + i,
		'restore_failed', json_object('problem', replace(
		hex(zeroblob(150)), '00', '<\"')) FROM n"
	query "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
		WHERE i < 30) INSERT INTO start_time (gateway, generation,
		at_ms, took_ms) SELECT 'fake', 1000000 + i, i, 100000 * i FROM n"
	query "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
		WHERE i < 30) INSERT INTO snapshot (gateway, generation,
		created_ms, bytes, files, sha256, path, remote, state)
		SELECT 'fake', 1000000 + i, 1700000000000 + i, 123456789012,
		1234567, lower(hex(zeroblob(32))), '/' || hex(zeroblob(100)) || i,
		hex(zeroblob(100)) || i, 'complete' FROM n"
	query "UPDATE gateway SET reason = 'restore_failed',
		detail = replace(hex(zeroblob(120)), '00', '<\"')"
	jq -n --arg marks "$marks" '{pending: [range(60) | {requestId: "r-\(.)"}
		+ ([range(9) | {key: "column \(.)", value: $marks}]
		| from_entries)], paired: []}' >"$RUN/devices.json"
	printf '#!/bin/sh\nyes "%s" | head -c 20000\n' '<&><&>' >"$RUN/approve"
}

small_and_whole() {
	[ "$code" = 200 ] || fail "$code $(text)"
	(($(stat -c %s "$RUN/body") < 40000)) || fail "$(stat -c %s "$RUN/body")"
	[[ $(tail -c 20 "$RUN/body") == *'</html>' ]]
	says 'generation 1000030: 3000.0 s'
	says '60 &lt;&lt;&lt;'
	sed -n '/id="events"/,$p' "$RUN/body" | grep -q '^<tr><td><time'
	[ "$(grep -c '>Restore this one<' "$RUN/body")" -gt 9 ]
}

@test "with all of it full, the page is under 40 KB, and says what is left out" {
	local i lines=()

	for i in {1..60}; do
		lines+=(--log-lines "$i <<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<")
	done
	FLAGS=("${lines[@]}")
	devices
	jq '.gateways.fake.backup = {directory: "/tmp/none", to: "/tmp/other",
		every_s: 0, on_stop: false} | .gateways.fake.actions += ([range(29)
		| {key: "another-one-\(.)", value: {command: ["true"]}}]
		| from_entries) | .gateways.fake.actions.broken = {output: "json",
		command: ["sh", "-c", "cat devices.json; echo badly done >&2; exit 3"]}' "$CONFIG" >"$RUN/c"
	mv "$RUN/c" "$CONFIG"
	start_lighttpd
	wg start
	fill_everything
	page
	small_and_whole
	says 'Older ones: wakegate snapshots.'
	says 'Older ones: wakegate events.'
	says ' restore_failed 1000030 '
	says ' restore_failed 1000029 '
	press 'action?run=approve&then=devices' -d requestId=r-2
	small_and_whole
	says 'approve : done.'
	says 'It printed more than is shown.'
	says 'r-0 &lt;&amp;'
	says 'approve all '
	says 'paired Nothing.'
	press 'action?run=broken&then=devices'
	small_and_whole
	says 'broken : ended with exit code 3.'
	says 'approve all '
	says 'badly done'
}

@test "it works at another address, below another mount" {
	write_admin '.gateways.fake.mount = "/app"
		| .gateways.fake.routes = {page: "/x/steer/", admin: "/x/api"}'
	start_lighttpd
	PAGE=/app/x/steer
	page
	[ "$code" = 200 ] || fail "$code"
	grep -q 'data-api="../../x/api"' "$RUN/body"
	press start
	[ "$code" = 303 ]
	[ "$(header Location)" = './?done=start' ] ||
		[[ $(header Location) == */app/x/steer/?done=start ]]
	eventually 10 row_is state ready
	get /_admin/ "${BEARER[@]}"
	[ "$code" = 404 ]
}

@test "who looks at the page is no use of the gateway" {
	write_admin
	start_lighttpd
	wg start
	page
	page '/confirm?do=stop'
	[ -z "$(row last_request_ms)" ]
}

@test "the page comes at once while the gateway is being started" {
	local took

	FLAGS=(--boot-ms 3000)
	write_admin
	start_lighttpd
	page
	press start
	eventually 5 row_is state starting
	took=$(curl -sS -o "$RUN/body" -w '%{time_starttransfer}' \
		"${BEARER[@]}" "$URL$PAGE/")
	says 'Starting It has been started'
	[ "${took%.*}" -lt 2 ] || fail "$took s"
}

@test "under Apache, as FastCGI and as CGI, it is the same" {
	local server

	for server in apache apache_cgi; do
		write_admin
		start_web "$server"
		(umask 077 && echo "$TOKEN" >"$RUN/token")
		if ((${#AS[@]})); then chown www-data "$RUN/token"; fi
		get "$PAGE" "${BEARER[@]}" -L
		[ "$code" = 200 ] || fail "$server: $code"
		says Stopped
		press start
		[ "$code" = 303 ] || fail "$server: $code $body"
		eventually 10 row_is state ready
		page '/?done=start'
		says 'It is to be started.'
		stop_servers
		wg stop
		rm -rf "$STATE"
	done
}
