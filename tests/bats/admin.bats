#!/usr/bin/env bats
# What an administrator asks over HTTP: who may, and what comes of it.

load helper

: "${ADMIN_ROUTES:=$TOP_BUILDDIR/tests/fake/admin_routes}"
ADMIN=/api/admin

own_setup() {
	TOKEN=0123456789abcdef0123456789abcdef
	BEARER=(-H "Authorization: Bearer $TOKEN")
	put_token "$TOKEN"
}

put_token() {
	(umask 077 && echo "$1" >"$RUN/token.new")
	if ((${#AS[@]})); then chown www-data:www-data "$RUN/token.new"; fi
	mv "$RUN/token.new" "$RUN/token"
}

# write_admin [JQ FILTER]: a configuration with an administrator and a token.
write_admin() {
	write_config '.admin = {users: ["alice"],
		token_file: (.gateways.fake.directory + "/token")}
		| '"${1:-.}"
}

# admin METHOD PATH [CURL OPTIONS]: by the token.
admin() {
	local method=$1 path=$2

	shift 2
	ask "$method" "$path" "${BEARER[@]}" "$@"
}

# The same without credentials; the body is in DATA. lighttpd wants a length where
# there may be one.
ask() {
	local method=$1 path=$2

	shift 2
	if [ "$method" = GET ]; then
		get "$ADMIN$path" "$@"
	else
		get "$ADMIN$path" -X "$method" --data-raw "${DATA:-}" "$@"
	fi
}

problem() {
	[ "$code" = "$1" ] || fail "$code instead of $1: $body"
	[[ $(header Content-Type) == application/problem+json* ]] ||
		fail "$(header Content-Type)"
	[ "$(json .code)" = "$2" ] || fail "$body"
	[ "$(json '.detail | length > 0')" = true ]
}

# --- who may -----------------------------------------------------------------

# each_refuses STATUS CODE [CURL OPTIONS]: every endpoint, also with methods that it
# does not have, and paths that are none.
each_refuses() {
	local status=$1 word=$2 method path seen=0

	shift 2
	while read -r method path; do
		ADMIN='' ask "$method" "$path" "$@"
		problem "$status" "$word"
		seen=$((seen + 1))
	done < <("$ADMIN_ROUTES"; echo "POST $ADMIN/gateway"
		echo "GET $ADMIN/none"; echo "GET /_admin/none")
	[ "$seen" -ge 15 ]
	ask GET "" "$@"
	problem "$status" "$word"
	[ ! -s "$STARTS" ] || fail "it was started"
}

@test "every endpoint refuses who does not say who it is: 401, and how to" {
	write_admin
	start_lighttpd
	each_refuses 401 unauthorized
	[ "$(header WWW-Authenticate)" = Bearer ]
}

@test "every endpoint refuses a wrong token" {
	write_admin
	start_lighttpd
	each_refuses 401 unauthorized -H "Authorization: Bearer ${TOKEN}0"
}

@test "every endpoint refuses everybody where no administration is configured" {
	write_config
	start_lighttpd
	each_refuses 401 unauthorized "${BEARER[@]}"
	each_refuses 401 unauthorized -H "Authorization: Bearer "
}

as_user() {
	local user=$1 method=$2 path=$3

	shift 3
	[[ $path == /api/admin* || $path == /_admin* ]] || path=$ADMIN$path
	cgi "$method" "$path" REMOTE_USER="$user" "$@" </dev/null
	sed '1,/^\r*$/d' "$RUN/cgi" >"$RUN/body"
}

@test "the user whom the web server names may, if admin.users has him" {
	local method path

	write_admin
	as_user alice GET /gateway
	[ "$code" = 200 ] || fail "$(cat "$RUN/cgi")"
	[ "$(json .state)" = stopped ]
	while read -r method path; do
		as_user mallory "$method" "$path"
		[ "$code" = 403 ] || fail "$method $path: $code"
		[ "$(json .code)" = forbidden ]
	done < <("$ADMIN_ROUTES")
	as_user alice POST '/gateway/start?wait=1'
	[ "$code" = 200 ] || fail "$(cat "$RUN/cgi")"
	[ "$(row state)" = ready ]
}

@test "a header that a client sends makes nobody an administrator" {
	write_admin
	start_lighttpd
	each_refuses 401 unauthorized -H 'Remote-User: alice' \
		-H 'X-Remote-User: alice' -H 'X-Forwarded-User: alice'
}

@test "a page of another origin can't steer the gateway" {
	local origin

	write_admin
	start_lighttpd
	for origin in 'Origin: http://evil.example' 'Origin: null' \
		"Origin: $URL.evil.example" 'Sec-Fetch-Site: cross-site' \
		'Sec-Fetch-Site: same-site'; do
		admin POST /gateway/start -H "$origin"
		problem 403 forbidden
		as_user alice POST /gateway/start \
			"HTTP_$(sed 's/: /=/; s/-/_/g; s/^\([^=]*\)/\U\1/' \
				<<<"$origin")"
		[ "$code" = 403 ] || fail "$origin: $code"
	done
	[ "$(row state)" != ready ]
	[ ! -s "$STARTS" ]
	admin POST '/gateway/start?wait=1' -H "Origin: $URL"
	[ "$code" = 200 ] || fail "$body"
	admin POST /gateway/reset -H 'Sec-Fetch-Site: same-origin'
	[ "$code" = 202 ] || fail "$body"
	admin GET /gateway -H 'Sec-Fetch-Site: cross-site'
	[ "$code" = 200 ]
}

@test "a token's file that is replaced counts at once" {
	local new=fedcba9876543210fedcba9876543210

	write_admin
	start_lighttpd
	admin GET /gateway
	[ "$code" = 200 ]
	put_token "$new"
	admin GET /gateway
	problem 401 unauthorized
	ask GET /gateway -H "Authorization: Bearer $new"
	[ "$code" = 200 ]
}

@test "a token that is short or open to others lets nobody in, and the log says so" {
	write_admin
	start_lighttpd
	put_token 0123456789abcdef0123456789abcde
	ask GET /gateway -H 'Authorization: Bearer 0123456789abcdef0123456789abcde'
	problem 401 unauthorized
	grep -q 'token_file lets nobody in: .*31 characters' "$RUN/server.log"
	run wg check
	[ "$status" -eq 2 ]
	[[ $output == *token_file*31\ characters* ]] || fail "$output"
	put_token "$TOKEN"
	chmod 644 "$RUN/token"
	admin GET /gateway
	problem 401 unauthorized
	grep -q 'token_file lets nobody in: .*open to others' "$RUN/server.log"
	chmod 600 "$RUN/token"
	admin GET /gateway
	[ "$code" = 200 ]
	! grep -rqF 0123456789abcdef "$RUN"/*.log
}

wrong_token_is() {
	cgi GET "$ADMIN/gateway" HTTP_AUTHORIZATION='Bearer wrong' </dev/null
	[ "$code" = "$1" ]
}

@test "wrong tokens are limited, over all processes of a CGI handler" {
	local wrong=0

	write_admin
	while ((wrong < 200)); do
		wrong_token_is 401 || break
		wrong=$((wrong + 1))
	done
	[ "$code" = 429 ] || fail "$code after $wrong"
	grep -qi '^Retry-After: [1-9]' "$RUN/cgi"
	[ "$wrong" -ge 10 ]
	eventually 5 wrong_token_is 401 # from now on, one comes back in 2 s
	cgi GET "$ADMIN/gateway" HTTP_AUTHORIZATION="Bearer $TOKEN" </dev/null
	[ "$code" = 429 ] || fail "a right one passed: $code"
	cgi GET "$ADMIN/gateway" REMOTE_ADDR=192.0.2.77 \
		HTTP_AUTHORIZATION="Bearer $TOKEN" </dev/null
	[ "$code" = 200 ] || fail "another address: $code"
	as_user alice GET /gateway
	[ "$code" = 200 ]
	cgi GET /pid </dev/null
	[ "$code" = 200 ]
}

@test "the administrators' token never reaches the gateway, others do" {
	write_admin
	start_lighttpd
	get /echo "${BEARER[@]}"
	[ "$code" = 200 ]
	[[ $body != *"$TOKEN"* ]] || fail "$body"
	[ "$(json '[.headers[][0] | ascii_downcase] | index("authorization")')" \
		= null ]
	get /echo -H "Authorization: Bearer ${TOKEN}x"
	[[ $body == *"Bearer ${TOKEN}x"* ]] || fail "$body"
	get /echo -H 'Authorization: Basic YTpi'
	[[ $body == *'Basic YTpi'* ]]
}

@test "nothing below the prefix reaches the gateway; others' paths do" {
	local path

	write_admin '.gateways.fake.routes.admin = "/steer"'
	start_lighttpd
	ADMIN=/steer
	for path in / /none /gateway/ /gateway/start/now '/..%2f' /events//; do
		admin GET "$path"
		problem 404 not_found
	done
	[ ! -s "$STARTS" ]
	admin GET /gateway
	[ "$code" = 200 ]
	get /steering "${BEARER[@]}"
	get /api/admin/gateway
	[ "$(gateway_starts)" -eq 1 ]
	[[ $(header Content-Type) != *problem* ]]
}

@test "a wrong method: 405, and which are right" {
	write_admin
	start_lighttpd
	admin POST /gateway
	problem 405 method_not_allowed
	[ "$(header Allow)" = 'GET, HEAD' ]
	admin GET /gateway/start
	problem 405 method_not_allowed
	[ "$(header Allow)" = POST ]
	admin DELETE /storage/restore
	problem 405 method_not_allowed
	get "$ADMIN/gateway" -I "${BEARER[@]}"
	[ "$code" = 200 ]
	[ ! -s "$RUN/body" ] || [[ $body == HTTP/* ]]
}

@test "what can't be understood: 400, and why" {
	write_admin
	start_lighttpd
	admin POST '/gateway/start?wait=yes'
	problem 400 bad_request
	[[ $(json .detail) == *wait* ]]
	admin GET '/events?after=-1'
	problem 400 bad_request
	admin GET '/log?lines=0'
	problem 400 bad_request
	for DATA in '{"wait": true}' '[]' '{' '"a"' 'a=b' '{} {}'; do
		admin POST /gateway/start
		problem 400 bad_request
		[[ $(json .detail) == *'the body'* ]] || fail "$body"
	done
	DATA="{\"a\": \"$(printf 'x%.0s' {1..5000})\"}"
	admin POST /gateway/start
	problem 413 body_too_large
	admin POST /gateway/start -H 'Transfer-Encoding: chunked'
	problem 413 body_too_large
	[ ! -s "$STARTS" ]
	DATA=' {} '
	admin POST '/gateway/start?wait=1'
	[ "$code" = 200 ] || fail "$body"
}

# --- operations --------------------------------------------------------------

# A gateway that boots while RUN/booting is there.
held_gateway() {
	cat >"$RUN/held" <<-END
		#!/bin/sh
		while [ -e "$RUN/booting" ]; do sleep 0.02; done
		exec "$FAKE_GATEWAY" "\$@"
	END
	chmod +x "$RUN/held"
	COMMAND=("$RUN/held")
}

@test "start, stop, restart and reset: 202, and it happens" {
	local pid

	FLAGS=(--boot-ms 300)
	write_admin
	start_lighttpd
	admin POST /gateway/start
	[ "$code" = 202 ] || fail "$code $body"
	[ "$(json .success)" = true ]
	[ "$(json .operation)" = start ]
	[ "$(json .generation)" = 1 ]
	eventually 5 row_is state ready
	pid=$(row pid)
	admin POST /gateway/restart
	[ "$code" = 202 ]
	[ "$(json .operation)" = restart ]
	[ "$(json .generation)" = 2 ]
	eventually 5 row_is generation 2
	eventually 5 row_is state ready
	[ "$(row pid)" != "$pid" ]
	gone "$pid"
	admin POST /gateway/stop
	[ "$code" = 202 ]
	eventually 5 row_is state stopped
	port_closed "$GATEWAY_PORT"
	admin POST /gateway/reset
	[ "$code" = 202 ]
	[ "$(gateway_starts)" -eq 2 ]
}

@test "wait=1 answers when it is done" {
	FLAGS=(--boot-ms 400)
	write_admin
	start_lighttpd
	admin POST '/gateway/start?wait=1'
	[ "$code" = 200 ] || fail "$body"
	[ "$(json .state)" = ready ]
	[ "$(row state)" = ready ]
	admin POST '/gateway/restart?wait=1'
	[ "$code" = 200 ]
	[ "$(row state)" = ready ]
	[ "$(json .generation)" = "$(row generation)" ]
	[ "$(gateway_starts)" -eq 2 ]
	admin POST '/gateway/stop?wait=1'
	[ "$code" = 200 ]
	[ "$(json .state)" = stopped ]
	port_closed "$GATEWAY_PORT"
}

@test "wait=1 on what cannot start: 503, and why" {
	FLAGS=(--exit-before-listen 78)
	write_admin
	start_lighttpd
	admin POST '/gateway/start?wait=1'
	problem 503 failed
	[[ $(json .detail) == *exit_code* ]] || fail "$body"
	admin POST /gateway/reset
	[ "$code" = 202 ]
	[ "$(row state)" = stopped ]
}

@test "wait=1 that takes too long: 504, and it goes on" {
	FLAGS=(--ready-ms 60000)
	write_admin '.gateways.fake.start_timeout_s = 20'
	cgi POST "$ADMIN/gateway/start" HTTP_AUTHORIZATION="Bearer $TOKEN" \
		</dev/null
	[ "$code" = 202 ]
	write_admin '.gateways.fake.start_timeout_s = 1
		| .gateways.fake.max_failures = 100'
	cgi POST "$ADMIN/gateway/start?wait=1" \
		HTTP_AUTHORIZATION="Bearer $TOKEN" </dev/null
	[ "$code" = 504 ] || fail "$(cat "$RUN/cgi")"
	grep -q operation_timeout "$RUN/cgi"
	[ "$(row state)" = starting ]
}

@test "stop with hold keeps it down, start lifts that" {
	write_admin
	start_lighttpd
	admin POST '/gateway/start?wait=1'
	admin POST '/gateway/stop?hold=1&wait=1'
	[ "$code" = 200 ] || fail "$body"
	[ "$(row reason)" = held ]
	get /pid
	problem 503 held
	admin POST '/gateway/start?wait=1'
	[ "$code" = 200 ]
	get /pid
	[ "$code" = 200 ]
}

@test "a restart joins the one that runs" {
	local waiter

	held_gateway
	write_admin
	start_lighttpd
	admin POST '/gateway/start?wait=1'
	: >"$RUN/booting"
	admin POST /gateway/restart
	[ "$(json .generation)" = 2 ]
	[ "$(json .joined)" = false ]
	admin POST /gateway/restart
	[ "$code" = 202 ]
	[ "$(json .generation)" = 2 ]
	[ "$(json .joined)" = true ]
	eventually 5 row_is generation 2
	curl -sS -o "$RUN/waited" -X POST -d '' "${BEARER[@]}" \
		"$URL$ADMIN/gateway/restart?wait=1" 3>&- &
	waiter=$!
	eventually 10 joined_by 3
	rm "$RUN/booting"
	wait "$waiter"
	[ "$(jq '[.success, .joined, .generation] == [true, true, 2]' \
		"$RUN/waited")" = true ] || fail "$(cat "$RUN/waited")"
	[ "$(row generation)" = 2 ]
	[ "$(gateway_starts)" -eq 2 ]
}

# So many restarts have been asked for, and have had time to join.
joined_by() {
	[ "$(cat "$RUN"/*.log | grep -c 'msg="restart"')" -ge "$1" ] && sleep 3
}

@test "a restart joins a start that runs, and a start joins as well" {
	held_gateway
	: >"$RUN/booting"
	write_admin
	start_lighttpd
	admin POST /gateway/start
	[ "$(json .joined)" = false ]
	admin POST /gateway/start
	[ "$(json .generation)" = 1 ]
	[ "$(json .joined)" = true ]
	admin POST /gateway/restart
	[ "$(json .generation)" = 1 ]
	[ "$(json .joined)" = true ]
	rm "$RUN/booting"
	eventually 5 row_is state ready
	[ "$(gateway_starts)" -eq 1 ]
}

@test "a start while it is being stopped brings it back, though nobody waits" {
	FLAGS=(--ignore-term)
	write_admin
	start_lighttpd
	admin POST '/gateway/start?wait=1'
	admin POST /gateway/stop
	eventually 5 row_is state stopping
	admin POST /gateway/start
	[ "$code" = 202 ]
	[ "$(json .generation)" = 2 ]
	eventually 10 row_is generation 2
	eventually 5 row_is state ready
}

@test "many workers that restart at once restart it once" {
	local i pids=()

	held_gateway
	write_admin
	wg start
	: >"$RUN/booting"
	for i in {1..8}; do
		cgi_run POST "$ADMIN/gateway/restart?wait=1" \
			HTTP_AUTHORIZATION="Bearer $TOKEN" </dev/null \
			>"$RUN/cgi.$i" 2>>"$RUN/cgi.log" &
		pids+=($!)
	done
	eventually 20 joined_by 8
	rm "$RUN/booting"
	wait "${pids[@]}"
	for i in {1..8}; do
		grep -q '^Status: 200' "$RUN/cgi.$i" || fail "$(cat "$RUN/cgi.$i")"
	done
	[ "$(gateway_starts)" -eq 2 ] || fail "$(gateway_starts) starts"
	[ "$(row state)" = ready ]
}

@test "many workers that restart what is stopped start it once" {
	local i pids=()

	held_gateway
	: >"$RUN/booting"
	write_admin
	for i in {1..8}; do
		cgi_run POST "$ADMIN/gateway/restart" \
			HTTP_AUTHORIZATION="Bearer $TOKEN" </dev/null \
			>"$RUN/cgi.$i" 2>>"$RUN/cgi.log" &
		pids+=($!)
	done
	wait "${pids[@]}"
	rm "$RUN/booting"
	eventually 5 row_is state ready
	[ "$(gateway_starts)" -eq 1 ] || fail "$(gateway_starts) starts"
	[ "$(row generation)" = 1 ]
}

@test "an owner that was killed: a restart still gives a new process" {
	local pid

	write_admin
	start_lighttpd
	admin POST '/gateway/start?wait=1'
	pid=$(row pid)
	kill -KILL "$(row owner_pid)"
	admin POST '/gateway/restart?wait=1'
	[ "$code" = 200 ] || fail "$body"
	[ "$(row pid)" != "$pid" ]
	gone "$pid"
	[ "$(gateway_starts)" -eq 2 ]
}

@test "a worker that is killed while it waits: what it asked goes on" {
	local worker

	held_gateway
	write_admin
	wg start
	: >"$RUN/booting"
	cgi_run POST "$ADMIN/gateway/restart?wait=1" \
		HTTP_AUTHORIZATION="Bearer $TOKEN" </dev/null \
		>"$RUN/first" 2>>"$RUN/cgi.log" &
	worker=$!
	BACKGROUND+=("$worker")
	eventually 5 row_is generation 2
	our_workers | xargs -r kill -KILL
	eventually 5 no_workers
	rm "$RUN/booting"
	eventually 5 row_is state ready
	[ "$(gateway_starts)" -eq 2 ]
}

@test "under Apache, as FastCGI and as CGI, it is the same" {
	local server

	for server in apache apache_cgi; do
		write_admin
		start_web "$server"
		put_token "$TOKEN"
		each_refuses 401 unauthorized
		admin POST '/gateway/start?wait=1'
		[ "$code" = 200 ] || fail "$server: $code $body"
		admin POST '/gateway/restart?wait=1'
		[ "$code" = 200 ] || fail "$server: $code $body"
		[ "$(gateway_starts)" -eq 2 ]
		admin POST /gateway/stop -H 'Origin: http://evil.example'
		problem 403 forbidden
		admin POST '/gateway/stop?wait=1'
		[ "$code" = 200 ]
		get /echo "${BEARER[@]}"
		[[ $body != *"$TOKEN"* ]] || fail "$server: $body"
		stop_servers
		wg stop
		rm -rf "$STATE"
		: >"$STARTS"
	done
}

@test "Apache's own log-in names the administrator" {
	write_admin
	start_apache_login
	ask GET /gateway
	[ "$code" = 401 ]
	ask GET /gateway -u alice:wonder
	[ "$code" = 200 ] || fail "$code $body"
	ask GET /gateway -u mallory:evil
	problem 403 forbidden
	ask POST /gateway/start -u alice:wonder -H 'Origin: http://evil.example'
	problem 403 forbidden
	ask POST '/gateway/start?wait=1' -u alice:wonder
	[ "$code" = 200 ] || fail "$body"
}

# A name that comes with any password, or none, is nobody's.
@test "a user's name that no web server has checked names nobody" {
	local server

	for server in lighttpd apache nginx nginx_fast; do
		write_admin '.gateways.fake.identity_header = "X-Forwarded-User"'
		start_web "$server"
		ask GET /gateway -u alice:guess
		[ "$code" = 401 ] || fail "$server: $code $body"
		ask POST /gateway/start -u alice:guess
		[ "$code" = 401 ] || fail "$server: $code $body"
		get /echo -u alice:guess
		[ "$code" = 200 ] || fail "$server: $code $body"
		[[ ${body,,} != *x-forwarded-user* ]] || fail "$server: $body"
		stop_servers
		wg stop
	done
}

# start_nginx_login CONF FILE: with the log-in that is a comment there.
start_nginx_login() {
	take_port
	WEB_PORT=$REPLY
	fill_in "$1"
	fill_in nginx-websocket.conf
	sed -i '/#location .*_admin/,/#}/s/#//' "$RUN/$1"
	grep -q '^[[:space:]]*auth_basic ' "$RUN/$1"
	echo 'alice:{SHA}w3QkzGJswDXW5OKZHAJw0FELjfM=' >"$RUN/administrators"
	become_www_data
	serve "$RUN/wakegate.sock"
	start_server "$RUN/server.log" "$NGINX" -c "$RUN/$1"
}

@test "nginx's own log-in, as in conf/, names the administrator" {
	local conf

	for conf in nginx.conf nginx-fast.conf; do
		write_admin
		start_nginx_login "$conf"
		ask GET /gateway -u alice:guess
		[ "$code" = 401 ] || fail "$conf: $code"
		ask GET /gateway -u alice:wonder
		[ "$code" = 200 ] || fail "$conf: $code $body"
		get /_admin/ -u alice:wonder
		[ "$code" = 200 ] || fail "$conf: $code $body"
		get /_admin/
		[ "$code" = 401 ] || fail "$conf: $code"
		get /pid
		[ "$code" = 200 ] || fail "$conf: $code"
		stop_servers
		kill "$SERVE"
		eventually 10 gone "$SERVE"
	done
}

start_apache_login() {
	local modules=/usr/lib/apache2/modules name

	take_port
	WEB_PORT=$REPLY
	fill_in apache-cgi.conf
	for name in auth_basic authn_core authn_file authz_user; do
		echo "LoadModule ${name}_module $modules/mod_$name.so"
	done >>"$RUN/apache-cgi.conf"
	printf '%s\n' 'alice:{SHA}w3QkzGJswDXW5OKZHAJw0FELjfM=' 'mallory:{SHA}tlOJEWKgQOG/5uQ2vc2Tgn4MVuU=' >"$RUN/passwords"
	cat >>"$RUN/apache-cgi.conf" <<-END
		<Location "/api/admin">
			AuthType Basic
			AuthName wakegate
			AuthUserFile $RUN/passwords
			Require valid-user
		</Location>
	END
	become_www_data
	start_server "$RUN/server.log" "$APACHE" -D FOREGROUND \
		-f "$RUN/apache-cgi.conf"
}

# --- what is shown -----------------------------------------------------------

@test "the gateway: the whole row, the newest events, the output" {
	FLAGS=(--log-lines 'it says token=hush-hush-hush' --log-lines two)
	write_admin '.gateways.fake.environment = {"APP_SECRET": "hush-too"}'
	start_lighttpd
	admin GET /gateway
	[ "$(json .state)" = stopped ]
	[ "$(json '.events | length')" = 0 ]
	admin POST '/gateway/start?wait=1'
	admin GET /gateway
	[ "$code" = 200 ]
	[ "$(header Cache-Control)" = no-store ]
	[ "$(json .name)" = fake ]
	[ "$(json .state)" = ready ]
	[ "$(json .pid)" = "$(row pid)" ]
	[ "$(json .owner_alive)" = true ]
	[ "$(json .generation)" = 1 ]
	[ "$(json '[.events[].kind] | index("spawned") != null')" = true ]
	[[ $(json .output_tail) == "it says token=[redacted]
two
"* ]] || fail "$(json .output_tail)"
	[[ $body != *hush* ]]
}

@test "events: those after an id, oldest first" {
	local last

	write_admin
	start_lighttpd
	admin GET /events
	[ "$(json '.events | length')" = 0 ]
	admin POST '/gateway/start?wait=1'
	admin GET '/events?after=0'
	[ "$code" = 200 ]
	[ "$(json '[.events[].kind] | index("claimed")')" = 0 ] || fail "$body"
	last=$(json .last)
	[ "$last" = "$(query 'SELECT max(id) FROM event')" ]
	[ "$(json '.events[-1].id')" = "$last" ]
	[ "$(json .more)" = false ]
	admin GET "/events?after=$last"
	[ "$(json '.events | length')" = 0 ]
	[ "$(json .last)" = "$last" ]
	admin POST '/gateway/stop?wait=1'
	admin GET "/events?after=$last"
	[ "$(json '.events[0].id')" = $((last + 1)) ]
	[ "$(json '.events[-1].kind')" = stopped ] || fail "$body"
}

@test "many events come in pieces" {
	local last=0 pieces=0 count=0

	write_admin
	start_lighttpd
	admin GET /gateway
	query "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
		WHERE i < 700) INSERT INTO event (at_ms, gateway, generation, kind)
		SELECT i, 'fake', 1, 'config' FROM n"
	while ((pieces < 20)); do
		admin GET "/events?after=$last"
		[ "$code" = 200 ] || fail "$code"
		pieces=$((pieces + 1))
		count=$((count + $(json '.events | length')))
		last=$(json .last)
		[ "$(json .more)" = true ] || break
	done
	[ "$count" -eq 700 ] || fail "$count"
	[ "$pieces" -gt 1 ]
	admin GET /events
	[ "$(json '.events[-1].id')" = 700 ]
}

@test "log: the last lines, secrets hidden" {
	FLAGS=(--log-lines one --log-lines 'password: hush' --log-lines three)
	write_admin
	start_lighttpd
	admin GET /log
	[ "$(json '.lines | length')" = 0 ]
	admin POST '/gateway/start?wait=1'
	admin GET /log
	[ "$code" = 200 ]
	[ "$(json '.lines[:3] | join("|")')" = \
		'one|password: [redacted]|three' ] || fail "$body"
	[[ $(json '.lines[3]') == listening* ]]
	admin GET '/log?lines=1'
	[[ $(json '.lines | join("|")') == listening* ]]
	admin POST '/gateway/restart?wait=1'
	admin GET '/log?lines=5'
	[[ $(json '.lines | join("|")') == \
		listening*'|one|password: [redacted]|three|listening'* ]]
}

@test "a log that has just been rotated goes on in the older file" {
	write_admin
	start_lighttpd
	admin GET /gateway
	seq -f 'old %g' 1 20000 >"$STATE/fake.log.1"
	printf 'new 1\nnew 2\n' >"$STATE/fake.log"
	admin GET '/log?lines=4'
	[ "$(json '.lines | join("|")')" = 'old 19999|old 20000|new 1|new 2' ] ||
		fail "$body"
	admin GET '/log?lines=1000'
	[ "$(json '.lines | length')" = 1000 ]
	printf '\377\001 "\\ bad\n' >>"$STATE/fake.log"
	admin GET '/log?lines=1'
	[ "$(json '.lines[0]')" = '? "\ bad' ] || fail "$body"
}

@test "with several gateways each mount has its own administration" {
	take_port
	write_admin ".gateways.other = (.gateways.fake | .mount = \"/other\"
		| .address = \"127.0.0.1:$REPLY\"
		| .command = [.command[0], \"--listen\", .address])"
	start_lighttpd
	ADMIN=/other/api/admin
	admin POST '/gateway/start?wait=1'
	[ "$code" = 200 ] || fail "$body"
	[ "$(row state other)" = ready ]
	admin GET /gateway
	[ "$(json .name)" = other ]
	ADMIN=/api/admin
	admin GET /gateway
	[ "$(json .name)" = fake ]
	[ "$(json .state)" = stopped ]
	admin GET /events
	[ "$(json '.events | length')" = 0 ]
	[ ! -s "$STARTS" ]
}

# --- storage -----------------------------------------------------------------

# A program in the place of wakegate-snapshot, beside a wakegate of our own: says
# what RUN/result holds.
stand_in() {
	mkdir -p "$RUN/bin" "$RUN/files"
	cp "$WAKEGATE" "$RUN/bin/wakegate"
	WAKEGATE=$RUN/bin/wakegate
	cat >"$RUN/bin/wakegate-snapshot" <<-END
		#!/bin/sh
		echo "\$*" >>"$RUN/snapshot.args"
		while [ -e "$RUN/wait" ]; do sleep 0.05; done
		cat "$RUN/result"
	END
	chmod +x "$RUN/bin/wakegate-snapshot"
	write_admin '.gateways.fake.backup = {
		directory: (.gateways.fake.directory + "/files"),
		to: (.gateways.fake.directory + "/snapshots")}'
}

add_snapshot() {
	query "INSERT INTO snapshot (id, gateway, generation, created_ms, bytes,
		files, sha256, path, state) VALUES ($1, 'fake', 1, $2, 10, 2,
		'$(printf '%064d' "$1")', '/nowhere/$1', '$3')"
}

@test "storage: what is configured, and which snapshots there are" {
	write_admin
	start_lighttpd
	admin GET /storage
	[ "$code" = 200 ]
	[ "$(json .configured)" = false ]
	[ "$(json '.missing | join(" ")')" = backup ]
	[ "$(json .lastBackup)" = null ]
	[ "$(json '.snapshots | length')" = 0 ]
	admin POST /storage/sync
	problem 400 backup_not_configured
	admin POST /storage/restore
	problem 400 backup_not_configured
	stand_in
	add_snapshot 1 1800000000000 complete
	add_snapshot 2 1800000001000 complete
	add_snapshot 3 1800000002000 bad
	eventually 3 storage_is_configured
	[ "$(json '.missing | length')" = 0 ]
	[ "$(json .lastBackup)" = 2027-01-15T08:00:01.000Z ] || fail "$body"
	[ "$(json '[.snapshots[] | "\(.id) \(.state)"] | join(", ")')" = \
		'3 bad, 2 complete, 1 complete' ]
}

storage_is_configured() {
	admin GET /storage
	[ "$(json .configured)" = true ]
}

@test "sync answers when the snapshot is taken, and which it is" {
	stand_in
	start_lighttpd
	admin GET /storage
	add_snapshot 5 1800000000000 complete
	echo '{"ok": true, "code": "done", "snapshot": 5, "bytes": 10, "files": 2}' \
		>"$RUN/result"
	admin POST /storage/sync
	[ "$code" = 200 ] || fail "$body"
	[ "$(json .success)" = true ]
	[ "$(json .snapshot.id)" = 5 ]
	[ "$(json .snapshot.state)" = complete ]
	grep -q ' create fake$' "$RUN/snapshot.args"
	[ ! -s "$STARTS" ]
}

@test "sync that is refused or fails says why" {
	local code_of problem_of

	stand_in
	start_lighttpd
	while read -r code_of problem_of; do
		echo "{\"ok\": false, \"code\": \"$code_of\",
			\"text\": \"this is why\"}" | tr -d '\n' >"$RUN/result"
		echo >>"$RUN/result"
		admin POST /storage/sync
		# shellcheck disable=SC2086
		problem $problem_of
		[ "$(json .detail)" = 'this is why' ]
	done <<-END
		not_restored 409 not_restored
		backup_not_configured 400 backup_not_configured
		busy 409 conflict
		failed 500 backup_failed
		timeout 500 backup_failed
	END
	: >"$RUN/result"
	admin POST /storage/sync
	problem 500 backup_failed
}

@test "restore: 202, and the next start puts that snapshot back" {
	stand_in
	start_lighttpd
	admin GET /storage
	add_snapshot 1 1800000000000 complete
	add_snapshot 2 1800000001000 complete
	add_snapshot 3 1800000002000 bad
	echo '{"ok": true, "code": "none"}' >"$RUN/result"
	admin POST '/gateway/start?wait=1'
	[ "$code" = 200 ] || fail "$body"
	: >"$RUN/snapshot.args"
	echo '{"ok": true, "code": "done", "snapshot": 1, "bytes": 10, "files": 2}' \
		>"$RUN/result"
	DATA='{"snapshot": 1}'
	admin POST /storage/restore
	[ "$code" = 202 ] || fail "$body"
	[ "$(json .success)" = true ]
	[ "$(json .operation)" = restore ]
	[ "$(json .generation)" = 2 ]
	eventually 10 row_is generation 2
	eventually 10 row_is state ready
	grep -q ' restore fake .*--snapshot 1' "$RUN/snapshot.args" ||
		fail "$(cat "$RUN/snapshot.args")"
	[ "$(gateway_starts)" -eq 2 ]
	[ "$(row restore_wanted)" = 0 ]
}

@test "restore of what is not there stops nothing" {
	local pid

	stand_in
	start_lighttpd
	echo '{"ok": true, "code": "none"}' >"$RUN/result"
	admin POST '/gateway/start?wait=1'
	pid=$(row pid)
	admin POST /storage/restore
	problem 404 not_found
	add_snapshot 3 1800000002000 bad
	DATA='{"snapshot": 3}'
	admin POST /storage/restore
	problem 404 not_found
	for DATA in '{"snapshot": "1"}' '{"snapshot": 0}' '{"snapshot": -1}' \
		'{"snapshot": 1.5}' '{"snap": 1}' '{"snapshot": 1, "force": 1}'; do
		admin POST /storage/restore
		problem 400 bad_request
	done
	[ "$(row restore_wanted)" = 0 ]
	[ "$(row pid)" = "$pid" ]
	alive "$pid"
	[ "$(gateway_starts)" -eq 1 ]
}

# --- nothing else ------------------------------------------------------------

@test "who looks wakes nothing and counts as no use" {
	local method path used

	write_admin
	start_lighttpd
	while read -r method path; do
		[ "$method" = GET ] || continue
		ADMIN='' admin GET "$path"
		[[ $code == 200 || $code == 30? || $path == *name ]] ||
			fail "$path: $code $body"
	done < <("$ADMIN_ROUTES")
	[ ! -s "$STARTS" ]
	admin POST '/gateway/start?wait=1'
	[ -z "$(row last_request_ms)" ]
	get /pid
	used=$(row last_request_ms)
	[ -n "$used" ]
	query "UPDATE gateway SET last_request_ms = 1"
	while read -r method path; do
		[ "$method" = GET ] || continue
		ADMIN='' admin GET "$path"
	done < <("$ADMIN_ROUTES")
	[ "$(row last_request_ms)" = 1 ]
	[ "$(row answered_ms)" -gt 0 ]
}

@test "a store that can't be opened: 503 store" {
	write_admin
	mkdir "$STATE"
	chmod 700 "$STATE"
	mkdir "$STATE/wakegate.id"
	start_lighttpd
	admin GET /gateway
	problem 503 store
	ask GET /gateway
	problem 401 unauthorized
	rmdir "$STATE/wakegate.id"
}
