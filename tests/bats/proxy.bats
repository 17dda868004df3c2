#!/usr/bin/env bats
# What passes through, and what does not (RFC 9110, 9112, 3875).

load helper

# received NAME: the values of that field as the gateway received it.
received() {
	jq -r --arg name "${1,,}" \
		'.headers[] | select((.[0] | ascii_downcase) == $name) | .[1]' \
		"${2:-$RUN/body}"
}

# The same for an answer to cgi().
cgi_received() {
	sed '1,/^\r*$/d' "$RUN/cgi" >"$RUN/cgi.body"
	received "$1" "$RUN/cgi.body"
}

# --- requests ----------------------------------------------------------------

@test "every method passes" {
	local server method

	write_config
	for server in lighttpd apache; do
		start_web "$server"
		for method in GET DELETE OPTIONS PROPFIND; do
			get /echo -X "$method"
			[ "$code" = 200 ] || fail "$server $method: $code"
			[ "$(json .method)" = "$method" ]
		done
		for method in POST PUT PATCH DELETE REPORT; do
			get /echo -X "$method" -d some
			[ "$code" = 200 ] || fail "$server $method: $code"
			[ "$(json .method)" = "$method" ]
			[ "$(json .body_bytes)" = 4 ]
		done
		stop_servers
		wg stop
	done
}

@test "the target passes as it came" {
	local server target='/echo/a%2Fb;v=1/%7Ec?x=%20&y=a+b=&z=%2f'

	write_config
	for server in lighttpd apache lighttpd_cgi apache_cgi; do
		start_web "$server"
		get "$target"
		[ "$code" = 200 ] || fail "$server: $code"
		[ "$(json .target)" = "$target" ] || fail "$server: $body"
		stop_servers
		wg stop
	done
}

@test "one Host passes, the client's" {
	write_config
	start_lighttpd
	get /echo -H 'Host: www.example.org:8081'
	[ "$(received Host)" = www.example.org:8081 ]
}

@test "ordinary fields pass, several of a name and odd values as well" {
	write_config
	start_lighttpd
	get /echo -H 'X-One: a  b' -H 'Cookie: a=1; b="2"' -H 'X-Empty;' \
		-H 'Accept-Language: de' -H 'Authorization: Bearer t' \
		-H 'Content-Type: application/x-odd; p="q"' -d x
	[ "$(received X-One)" = 'a  b' ]
	[ "$(received Cookie)" = 'a=1; b="2"' ]
	[ "$(received Accept-Language)" = de ]
	[ "$(received Authorization)" = 'Bearer t' ]
	[ "$(received Content-Type)" = 'application/x-odd; p="q"' ]
	[ "$(received Content-Length)" = 1 ]
}

@test "Authorization passes under mod_fcgid and CGI" {
	local server

	write_config
	for server in apache apache_cgi lighttpd_cgi; do
		start_web "$server"
		get /echo -H 'Authorization: Bearer t'
		[ "$(received Authorization)" = 'Bearer t' ] || fail "$server"
		stop_servers
		wg stop
	done
}

@test "Via names us, after what was there" {
	write_config
	start_lighttpd
	get /echo
	[ "$(received Via)" = '1.1 wakegate' ] ||
		[[ $(received Via) == '1.1 wakegate'* ]] || fail "$body"
	get /echo -H 'Via: 1.0 before'
	[[ $(received Via | tr '\n' ',') == '1.0 before,'*wakegate* ]] ||
		fail "$body"
}

@test "a loop is seen: 508 loop_detected" {
	take_port
	WEB_PORT=$REPLY
	write_config ".gateways.fake.address = \"127.0.0.1:$WEB_PORT\"
		| .gateways.fake.process = \"lighttpd\"
		| .gateways.fake.probe = {}"
	fill_in lighttpd.conf
	start_server "$RUN/server.log" "$LIGHTTPD" -D -f "$RUN/lighttpd.conf"
	get /pid
	[ "$code" = 508 ] || fail "$code $body"
	[ "$(json .code)" = loop_detected ]
}

@test "hop-by-hop fields, and what Connection names, stay here" {
	local name

	write_config
	cgi GET /echo HTTP_CONNECTION='X-Drop, keep-alive' HTTP_X_DROP=1 \
		HTTP_KEEP_ALIVE=5 HTTP_PROXY=http://evil/ HTTP_TE=trailers \
		HTTP_EXPECT=100-continue HTTP_UPGRADE=h2c \
		HTTP_PROXY_CONNECTION=keep-alive HTTP_TRANSFER_ENCODING=gzip \
		HTTP_TRAILER=X HTTP_PROXY_AUTHORIZATION=a HTTP_X_KEEP=1
	[ "$code" = 200 ]
	for name in X-Drop Keep-Alive Proxy TE Expect Upgrade \
		Proxy-Connection Transfer-Encoding Trailer; do
		[ -z "$(cgi_received "$name")" ] || fail "$name passed"
	done
	[ "$(cgi_received X-Keep)" = 1 ]
}

@test "x-forwarded: set by us, and what a stranger sent of it does not pass" {
	write_config '.gateways.fake.forwarded = "x-forwarded"'
	cgi GET /echo REMOTE_ADDR=192.0.2.7 HTTP_HOST=a.example HTTPS=on \
		HTTP_X_FORWARDED_FOR=10.9.9.9 HTTP_X_FORWARDED_HOST=evil \
		HTTP_X_FORWARDED_PROTO=gopher HTTP_FORWARDED='for=10.9.9.9' \
		HTTP_X_REAL_IP=10.9.9.9
	[ "$(cgi_received X-Forwarded-For)" = 192.0.2.7 ]
	[ "$(cgi_received X-Forwarded-Host)" = a.example ]
	[ "$(cgi_received X-Forwarded-Proto)" = https ]
	[ -z "$(cgi_received Forwarded)" ]
	never grep -qF 10.9.9.9 "$RUN/cgi"
}

@test "forwarded: RFC 7239, quoted where it must be" {
	write_config '.gateways.fake.forwarded = "forwarded"'
	cgi GET /echo REMOTE_ADDR=2001:db8::1 HTTP_HOST=a.example:81 \
		HTTP_X_FORWARDED_FOR=10.9.9.9
	[[ $(cgi_received Forwarded) == *'for="[2001:db8::1]"'* ]] ||
		fail "$(cat "$RUN/cgi")"
	[[ $(cgi_received Forwarded) == *'host="a.example:81"'* ]]
	[[ $(cgi_received Forwarded) == *'proto=http'* ]]
	[ -z "$(cgi_received X-Forwarded-For)" ]
}

@test "forwarded none: no forwarding field passes" {
	write_config
	cgi GET /echo HTTP_X_FORWARDED_FOR=10.9.9.9 HTTP_FORWARDED=for=10.9.9.9 \
		HTTP_X_FORWARDED_PROTO=https HTTP_X_REAL_IP=10.9.9.9
	never grep -qi forwarded "$RUN/cgi"
	never grep -qF 10.9.9.9 "$RUN/cgi"
}

@test "what a trusted proxy says of the client passes" {
	write_config '.gateways.fake.forwarded = "x-forwarded"
		| .trusted_proxies = ["192.0.2.1"]'
	cgi GET /echo REMOTE_ADDR=192.0.2.1 HTTP_X_FORWARDED_FOR=198.51.100.4 \
		HTTP_X_FORWARDED_PROTO=https
	[[ $(cgi_received X-Forwarded-For) == 198.51.100.4* ]] ||
		fail "$(cat "$RUN/cgi")"
	[ "$(cgi_received X-Forwarded-Proto)" = https ]
}

@test "set_headers are set, from files as well; Authorization only where none is" {
	echo 'Bearer from-file' >"$RUN/bearer"
	chmod 600 "$RUN/bearer"
	write_config ".gateways.fake.set_headers = {\"X-Set\": \"ours\",
		\"Authorization\": {\"file\": \"$RUN/bearer\"}}"
	cgi GET /echo HTTP_X_SET=theirs
	[ "$(cgi_received X-Set)" = ours ]
	[ "$(cgi_received Authorization)" = 'Bearer from-file' ]
	cgi GET /echo HTTP_AUTHORIZATION='Basic theirs'
	[ "$(cgi_received Authorization)" = 'Basic theirs' ]
}

@test "the identity field says REMOTE_USER, never what the client said" {
	write_config '.gateways.fake.identity_header = "X-Forwarded-User"'
	cgi GET /echo REMOTE_USER=alice HTTP_X_FORWARDED_USER=root
	[ "$(cgi_received X-Forwarded-User)" = alice ]
	cgi GET /echo HTTP_X_FORWARDED_USER=root
	[ -z "$(cgi_received X-Forwarded-User)" ]
}

@test "the identity field's alias with underscores does not pass either" {
	write_config '.gateways.fake.identity_header = "X-Forwarded-User"'
	start_lighttpd
	get /echo -H 'X_Forwarded_User: root' -H 'X-Forwarded_User: root'
	[ "$code" = 200 ] || [ "$code" = 400 ]
	never grep -q root "$RUN/body"
}

@test "a forwarding field that comes twice, by an alias, is not believed" {
	write_config '.gateways.fake.forwarded = "x-forwarded"'
	start_lighttpd
	get /echo -H 'X-Forwarded-Proto: https' \
		-H 'X-Forwarded-For: 198.51.100.4'
	grep -q '198.51.100.4, 127.0.0.1' "$RUN/body"
	grep -q https "$RUN/body"
	get /echo -H 'X-Forwarded-Proto: https' -H 'X_Forwarded_Proto: gopher' \
		-H 'X-Forwarded-For: 198.51.100.4' \
		-H 'X_Forwarded-For: 10.9.9.9' -H 'X_Real_Ip: 10.9.9.9' \
		-H 'X-Real-Ip: 198.51.100.4'
	[ "$code" = 200 ]
	never grep -q 'gopher\|https\|10\.9\.9\.9\|198\.51\.100\.4' "$RUN/body"
	grep -q 127.0.0.1 "$RUN/body"
}

# What makes a message end somewhere else must not come in by an alias.
@test "the aliases of framing fields do not pass" {
	write_config
	start_lighttpd
	get /echo -H 'Content_Length: 7788990' -H 'Transfer_Encoding: chunked' \
		-H 'Proxy_Connection: x' -d abc
	[ "$code" = 200 ]
	[ "$(json .body_bytes)" = 3 ]
	never grep -q '7788990\|chunked\|Proxy' "$RUN/body"
}

# --- bodies ------------------------------------------------------------------

# large_bodies WEB SERVER
large_bodies() {
	head -c 20000000 /dev/urandom >"$RUN/big"
	write_config
	start_web "$1"
	get /echo -T "$RUN/big" -H 'Expect:'
	[ "$code" = 200 ]
	[ "$(json .body_bytes)" = 20000000 ]
	[ "$(json .body_cksum)" = "$(cksum <"$RUN/big" | cut -d ' ' -f 1)" ]
	get /echo -T - -H 'Expect:' <"$RUN/big"
	[ "$code" = 200 ]
	[ "$(json .body_bytes)" = 20000000 ]
	get '/echo?body=1' -T "$RUN/big" -H 'Expect:'
	cmp "$RUN/big" "$RUN/body"
	curl -s "$GATEWAY_URL/big?bytes=20000000" >"$RUN/direct"
	get '/big?bytes=20000000'
	[ "$(header Content-Length)" = 20000000 ]
	cmp "$RUN/direct" "$RUN/body"
	get '/big?bytes=20000000&chunked=1'
	cmp "$RUN/direct" "$RUN/body"
}

@test "20 MB pass up and down, with length and in chunks, under lighttpd" {
	large_bodies lighttpd
}

@test "20 MB pass up and down, with length and in chunks, under mod_fcgid" {
	large_bodies apache
}

@test "a body of unknown length is sent on in chunks" {
	write_config
	cgi POST /echo HTTP_TRANSFER_ENCODING=chunked < <(printf hello)
	[ "$code" = 200 ]
	sed '1,/^\r*$/d' "$RUN/cgi" >"$RUN/body"
	[ "$(json .body_bytes)" = 5 ]
	[ "$(cgi_received Transfer-Encoding)" = chunked ]
}

@test "a body over body_max_bytes is 413 body_too_large" {
	write_config '.gateways.fake.body_max_bytes = 1000'
	head -c 1001 /dev/zero >"$RUN/big"
	start_lighttpd
	get /echo --data-binary @"$RUN/big"
	[ "$code" = 413 ]
	[ "$(json .code)" = body_too_large ]
	head -c 1000 /dev/zero >"$RUN/big"
	get /echo --data-binary @"$RUN/big"
	[ "$code" = 200 ]
}

# Where the web server keeps the body first, its own limit saves the disk.
@test "what is larger than body_max_bytes is 413 under lighttpd, and not kept" {
	write_config
	start_lighttpd
	head -c 105000000 /dev/zero >"$RUN/huge"
	get /echo -T "$RUN/huge" -H 'Expect:'
	[ "$code" = 413 ] || fail "$code"
	get /echo -T - -H 'Expect:' <"$RUN/huge"
	[ "$code" = 413 ] || fail "$code"
	[ ! -s "$STARTS" ]
}

# Apache's LimitRequestBody would make an empty body of it.
@test "what is larger than body_max_bytes is 413 under mod_fcgid" {
	write_config
	start_apache
	head -c 105000000 /dev/zero >"$RUN/huge"
	get /echo -T "$RUN/huge" -H 'Expect:'
	[ "$code" = 413 ] || fail "$code"
	[ "$(json .code)" = body_too_large ]
	[ ! -s "$STARTS" ]
}

# --- responses ---------------------------------------------------------------

events_in_time() {
	local lag

	lag=$(events_lag)
	((lag < 50)) || fail "an event was $lag ms late"
}

# A busy machine may delay many runs; what keeps events back does it in all.
events_flow() {
	local run

	write_config
	start_web "$1"
	get /pid
	for run in {1..15}; do
		if events_in_time; then return; fi
	done
	fail "none of $run runs was in time"
}

@test "an event leaves within 50 ms, under lighttpd" {
	events_flow lighttpd
}

@test "an event leaves within 50 ms, under mod_fcgid" {
	events_flow apache
}

@test "an event leaves within 50 ms, as CGI under lighttpd" {
	events_flow lighttpd_cgi
}

@test "a redirect keeps its status and its Location" {
	local server status

	write_config
	for server in lighttpd apache lighttpd_cgi apache_cgi; do
		start_web "$server"
		for status in 301 302 303 307; do
			get "/redirect?code=$status&to=/pid"
			[ "$code" = "$status" ] || fail "$server: $code"
			[[ $(header Location) == */pid ]]
			[ "$body" = there ]
		done
		stop_servers
		wg stop
	done
}

@test "several Set-Cookie stay several" {
	local server

	write_config
	for server in lighttpd apache; do
		start_web "$server"
		get /cookies
		[ "$(header Set-Cookie | tr '\n' '|')" = \
			'a=1; Path=/|b=2; Path=/; HttpOnly|' ] || fail "$server"
		stop_servers
		wg stop
	done
}

@test "statuses pass, HEAD, 204 and 304 without a body" {
	local server status

	write_config
	for server in lighttpd apache; do
		start_web "$server"
		for status in 201 400 404 418 500 503; do
			get "/status?code=$status"
			[ "$code" = "$status" ] || fail "$server $status: $code"
			[ "$body" = "status $status" ] ||
				fail "$server $status: $body"
		done
		for status in 204 304; do
			get "/status?code=$status"
			[ "$code" = "$status" ]
			[ ! -s "$RUN/body" ]
		done
		get '/big?bytes=1234' --head
		[ "$code" = 200 ]
		[ "$(header Content-Length)" = 1234 ]
		stop_servers
		wg stop
	done
}

@test "interim answers are swallowed, chunks are decoded" {
	write_config
	start_lighttpd
	get /interim
	[ "$code" = 200 ]
	[ "$body" = final ]
	get /chunks
	[ "$body" = abcdefghijklmnopqrstuvwxyz ]
	[ -z "$(header X-After)" ]
}

@test "an answer that comes before the body was read is the answer" {
	local server

	head -c 20000000 /dev/zero >"$RUN/big"
	write_config
	for server in lighttpd apache; do
		start_web "$server"
		get /early413 -T "$RUN/big" -H 'Expect:'
		[ "$code" = 413 ] || fail "$server: $code"
		[ "$body" = early ] || fail "$server: $body"
		stop_servers
		wg stop
	done
}

@test "a large answer that comes before the body was read is whole" {
	local server answer

	head -c 20000000 /dev/zero >"$RUN/big"
	write_config
	for server in lighttpd apache nginx lighttpd_cgi apache_cgi; do
		start_web "$server"
		for answer in 302 413; do
			get "/early413?code=$answer&bytes=3000000" -T "$RUN/big" \
				-H 'Expect:' --max-time 60
			[ "$code" = "$answer" ] || fail "$server: $code"
			[ "$(stat -c %s "$RUN/body")" -eq 3000000 ] ||
				fail "$server: $(stat -c %s "$RUN/body")"
		done
		stop_servers
		wg stop
	done
}

# uploads ANSWER ANSWER: a gateway sends the first as soon as it has the request's
# head, and the second when it has read 20 MB.
uploads() {
	COMMAND=("$SCRIPTED")
	head -c 20000000 /dev/zero >"$RUN/big"
	jq -n --arg state "$STATE" --arg address "$GATEWAY_ADDRESS" '{
		state_dir: $state, gateways: { fake: {
			address: $address, command: $ARGS.positional,
			response_timeout_s: 5, stop_timeout_s: 1 } } }' --args \
		-- "$SCRIPTED" --listen "$GATEWAY_ADDRESS" --body 20000000 "$@" \
		>"$CONFIG"
	start_lighttpd
	get / -T "$RUN/big" -H 'Expect:'
}

@test "an interim answer does not hold the rest of the request's body back" {
	uploads 'HTTP/1.1 102 Processing\r\n\r\n' \
		'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nread'
	[ "$code" = 200 ] || fail "$code $body"
	[ "$body" = read ]
}

@test "half an answer's head does not hold the rest of the request's body back" {
	uploads 'HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-' \
		'Length: 4\r\n\r\nread'
	[ "$code" = 200 ] || fail "$code $body"
	[ "$body" = read ]
}

@test "interim answers without end do not stand for reading the request" {
	uploads --endless 'HTTP/1.1 102 Processing\r\n\r\n' \
		--body 0 'HTTP/1.1 102 Processing\r\n\r\n'
	[ "$code" = 504 ] || fail "$code $body"
}

@test "an answer that breaks off does not look whole" {
	write_config
	start_lighttpd
	get /half
	[ "$curl_code" -ne 0 ]
	get '/half?chunked=1'
	[ "$curl_code" -ne 0 ]
	get /pid
	[ "$code" = 200 ]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "the connection to the gateway is kept and used again" {
	write_config
	start_lighttpd
	get /conn
	[[ $body == *'request 1' ]]
	get /conn
	[[ $body == *'request 2' ]]
	get '/status?code=204'
	get '/pid' --head
	get /chunks
	get /conn
	[[ $body == *'request 6' ]] || fail "$body"
}

@test "a kept connection that the gateway has closed is no crash" {
	FLAGS=(--self-restart --closed-ms 1)
	write_config '.gateways.fake.keepalive_s = 60'
	start_lighttpd
	get /pid
	kill -USR2 "$body"
	sleep 0.3
	get /count -d one
	[ "$code" = 200 ]
	[ "$(events_of spawned)" -eq 1 ]
	[ "$(cat "$DELIVERIES")" = one ]
}

connections() {
	local hex

	printf -v hex '%04X' "$GATEWAY_PORT"
	awk -v port=":$hex" '$2 ~ port && $4 == "01"' /proc/net/tcp | wc -l
}

connections_are() {
	[ "$(connections)" -eq "$1" ]
}

@test "the client goes: the connection to the gateway is closed" {
	write_config '.gateways.fake.keepalive_s = 1'
	start_lighttpd
	get /pid
	eventually 5 connections_are 0
	background curl -sN -o /dev/null "$URL/sse?n=10000&ms=50"
	eventually 5 connections_are 1
	kill "$!"
	eventually 10 connections_are 0
}

@test "a gateway on a Unix socket" {
	GATEWAY_ADDRESS=unix:$RUN/gateway.sock
	write_config
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	kill -KILL "$body"
	get /pid
	[ "$code" = 200 ]
	[ "$(gateway_starts)" -eq 2 ]
	wg stop
	[ "$(row state)" = stopped ]
}

@test "a gateway on an IPv6 address" {
	[ -e /proc/net/if_inet6 ] || skip "no IPv6 here"
	GATEWAY_ADDRESS="[::1]:$GATEWAY_PORT"
	write_config
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "mount, hosts and strip_mount choose the gateway and the path" {
	local other

	take_port
	other=$REPLY
	write_config ".gateways.other = (.gateways.fake | .mount = \"/app\"
		| .strip_mount = true | .hosts = [\"a.example\"]
		| .address = \"127.0.0.1:$other\"
		| .command = [.command[0], \"--listen\", .address])"
	start_lighttpd
	get /app/echo/x?y -H 'Host: a.example'
	[ "$(json .target)" = '/echo/x?y' ]
	get /apple
	[ "$code" = 404 ]
	[ "$body" = 'no such path' ]
	get /app/pid -H 'Host: b.example'
	[ "$code" = 404 ]
	[ "$(row state other)" = ready ]
}
