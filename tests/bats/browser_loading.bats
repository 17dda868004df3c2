#!/usr/bin/env bats
# The loading page in a headless Chromium: tests/browser/loading.mjs.

load helper
load browser

setup_file() {
	browser_setup
}

# The web server's worker runs, the gateway does not.
arrives() {
	get /api/status
	browse loading.mjs arrives
	[ "$(gateway_starts)" -ge 2 ]
}

# What a gateway says that can't start.
fails_to_start() {
	FLAGS=(--exit-before-listen 78 --log-lines 'loading the model'
		--log-lines 'asked with token=hunter2hunter2'
		--log-lines 'no such model: <b>x</b>')
	write_config "${1:-.gateways.fake.show_output = \"anyone\"}"
}

@test "lighttpd: from the loading page to the page that was asked for" {
	FLAGS=(--boot-ms 6000)
	write_config
	start_lighttpd
	arrives
}

@test "Apache: from the loading page to the page that was asked for" {
	FLAGS=(--boot-ms 6000)
	write_config
	start_apache
	arrives
}

@test "lighttpd: the same without script" {
	FLAGS=(--boot-ms 6000)
	write_config
	start_lighttpd
	browse loading.mjs without_script
	[ "$(gateway_starts)" -eq 1 ]
}

@test "Apache: the same without script" {
	FLAGS=(--boot-ms 6000)
	write_config
	start_apache
	browse loading.mjs without_script
	[ "$(gateway_starts)" -eq 1 ]
}

@test "lighttpd: a gateway that can't start: why, its last line, what to do" {
	fails_to_start
	start_lighttpd
	browse loading.mjs fails lighttpd
	[ "$(gateway_starts)" -eq 1 ]
}

@test "Apache: a gateway that can't start: why, its last line, what to do" {
	fails_to_start
	start_apache
	browse loading.mjs fails apache
}

@test "while it starts: how far it is, its newest output; light, dark, on a phone" {
	local lines=() i

	for i in {1..20}; do lines+=(--log-lines "line $i of 20"); done
	FLAGS=(--boot-ms 60000 "${lines[@]}" --log-lines 'models loaded: 9 of 9')
	write_config '.gateways.fake += { show_output: "anyone",
		start_timeout_s: 90 }'
	start_lighttpd
	get /api/status
	query "INSERT INTO start_time (gateway, generation, at_ms, took_ms)
		VALUES ('fake', 1, 1, 25000)"
	browse loading.mjs looks
}

# tells_nothing FILE: neither what the gateway said nor how it ended. 78 as a word: a
# request's id or a time may hold the digits.
tells_nothing() {
	never grep -qi 'model\|asked with\|last words\|exit code [0-9]' "$1"
	never grep -qw 78 "$1"
}

@test "a stranger sees no output of the gateway, in the page or in the status" {
	fails_to_start '.admin.users = ["alice"]'
	start_lighttpd
	browse loading.mjs tells_no_stranger
	get '/api/status?page=1'
	[ "$code" = 200 ]
	[ "$(json .status)" = failed ]
	tells_nothing "$RUN/body"
	cgi GET '/api/status?page=1'
	tells_nothing "$RUN/cgi"
	cgi GET '/api/status?page=1' REMOTE_USER=alice
	grep -q 'no such model: &lt;b&gt;x' "$RUN/cgi"
	grep -q 'token=\[redacted\]' "$RUN/cgi"
	grep -q 'exit code 78' "$RUN/cgi"
	cgi GET / HTTP_ACCEPT=text/html REMOTE_USER=alice
	grep -q 'no such model: &lt;b&gt;x' "$RUN/cgi"
	never grep -q hunter2 "$RUN/cgi"
}

@test "a gateway that dies just before the page goes on: it arrives, once" {
	FLAGS=(--boot-ms 1000)
	write_config
	start_lighttpd
	browse loading.mjs dies
	[ "$(gateway_starts)" -eq 2 ]
}

@test "a gateway that every request kills: the page ends with that, in no loop" {
	FLAGS=(--crash-at-request 1)
	write_config
	start_lighttpd
	browse loading.mjs crashes
}

@test "a gateway that never comes up: from pause to pause, to the end" {
	FLAGS=(--exit-before-listen 1)
	write_config '.gateways.fake.max_failures = 4'
	start_lighttpd
	browse loading.mjs gives_up
	[ "$(gateway_starts)" -eq 4 ]
}

@test "a gateway that is held: the page says so, and goes on when it is let go" {
	write_config
	start_lighttpd
	wg stop --hold
	browse loading.mjs held
}

@test "the loading page is small, and lets nothing but its own script run" {
	local nonce policy

	FLAGS=(--boot-ms 2000)
	write_config '.gateways.fake.show_output = "anyone"'
	start_lighttpd
	get / -H 'Accept: text/html'
	[ "$code" = 503 ]
	(($(wc -c <"$RUN/body") < 12288)) || fail "$(wc -c <"$RUN/body")"
	policy=$(header Content-Security-Policy)
	[[ $policy == *"default-src 'none'"* && $policy != *unsafe* ]]
	nonce=$(sed -n "s/.*script-src 'nonce-\([0-9a-f]*\)'.*/\1/p" <<<"$policy")
	[ "${#nonce}" -eq 32 ]
	[ "$(grep -c "nonce=\"$nonce\"" "$RUN/body")" -eq 2 ]
	never grep -qE '(src|href)="(http|/)' "$RUN/body"
	get / -H 'Accept: text/html'
	[[ $(header Content-Security-Policy) != "$policy" ]]
}

@test "behind every web server: the page at once, and what its script asks for" {
	local server

	FLAGS=(--boot-ms 170000)
	write_config '.gateways.fake.start_timeout_s = 180'
	become_www_data
	ENTER=("${AS[@]}")
	for server in lighttpd lighttpd_cgi apache apache_cgi apache_proxy_fcgi \
		apache_fast nginx nginx_fast; do
		if [ "$server" = apache ]; then ENTER=(); fi
		start_web "$server"
		get '/a?b=c' -H 'Accept: text/html'
		[ "$code" = 503 ] || fail "$server: $code"
		[[ $body == *'content="'*';url=./a?b=c"'* ]] ||
			fail "$server: $body"
		[ "$(header Retry-After)" -ge 1 ] || fail "$server"
		[ "$(header Cache-Control)" = no-store ] || fail "$server"
		get '/api/status?page=1'
		[ "$code" = 200 ] || fail "$server: $code"
		[ "$(json .page.parts.title)" = Starting ] || fail "$server"
		stop_servers
		if [ -n "$SERVE" ]; then
			kill -TERM "$SERVE"
			eventually 5 gone "$SERVE"
			SERVE=''
		fi
	done
}

# So many places are locked: the lock file's bytes from the third.
waiting_are() {
	[ -e "$STATE/fake.lock" ] &&
		[ "$(grep -cE ":$(stat -c %i "$STATE/fake.lock") ([2-9]|[0-9]{2,}) " \
			/proc/locks)" -eq "$1" ]
}

# mostly_quick PATH STATUS [CURL OPTIONS]: half of a hundred answers' first bytes
# came within 10 ms.
mostly_quick() {
	local path=$1 status=$2 i

	shift 2
	for i in {1..100}; do
		curl -sS -o /dev/null -H 'Accept: text/html' "$@" \
			-w '%{http_code} %{time_starttransfer}\n' "$URL$path"
	done >"$RUN/times"
	[ "$(grep -c "^$status " "$RUN/times")" -eq 100 ] ||
		fail "$path: $(sort "$RUN/times" | uniq -c)"
	[ "$(grep -c '^... 0\.00' "$RUN/times")" -ge 50 ] ||
		fail "$path: $(sort -k 2 "$RUN/times")"
}

@test "either page's first byte leaves within 10 ms while a hundred wait for the start" {
	local token=0123456789abcdef0123456789abcdef

	FLAGS=(--boot-ms 60000)
	(umask 077 && echo "$token" >"$RUN/token")
	write_config '.gateways.fake += { start_timeout_s: 90, wait_s: 90 }
		| .admin.token_file = $run + "/token"'
	start_lighttpd
	get /api/status
	background many 100 /pid
	eventually 20 waiting_are 100
	mostly_quick / 503
	mostly_quick /_admin/ 200 -H "Authorization: Bearer $token"
	eventually 5 waiting_are 100
}
