#!/usr/bin/env bats
# Requests and answers that are wrong on purpose: an error of ours, no crash.

load helper

# raw TEXT: sends the very bytes to the web server, prints the status line.
raw() {
	exec 7<>"/dev/tcp/127.0.0.1/$WEB_PORT"
	printf '%b' "$1" >&7
	timeout 10 head -n 1 <&7 || true
	exec 7>&-
}

still_well() {
	get /pid
	[ "$code" = 200 ] || fail "afterwards: $code $body"
	[ "$(events_of spawned)" -le 1 ]
}

# --- requests ----------------------------------------------------------------

@test "CR, LF or NUL in a field or a target is 400, as CGI" {
	local bad

	write_config
	for bad in $'a\r\nX-Evil: 1' $'a\nb' $'a\rb'; do
		cgi GET /echo HTTP_X_ONE="$bad"
		[ "$code" = 400 ] || fail "$code"
		cgi GET "/echo$bad"
		[ "$code" = 400 ]
		cgi GET /echo HTTP_HOST="$bad"
		[ "$code" = 400 ]
		cgi GET /echo HTTP_CONTENT_TYPE="$bad" CONTENT_TYPE="$bad" \
			CONTENT_LENGTH=0
		[ "$code" = 400 ]
		cgi $'GET\r\nX: y' /echo
		[ "$code" = 400 ]
		cgi GET /echo REMOTE_USER="$bad"
		[ "$code" = 400 ] || [ "$code" = 200 ]
		never grep -q '^X-Evil' "$RUN/cgi"
	done
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "a method or a field name that is no token is 400" {
	write_config
	for method in 'GE T' 'G(T' ''; do
		cgi "$method" /echo
		[ "$code" = 400 ] || [ "$code" = 501 ] || fail "$method: $code"
	done
}

@test "a target with a space or a control character is 400" {
	write_config
	for target in '/echo x' $'/echo\x7f' $'/echo\x01' ''; do
		cgi GET "$target"
		[ "$code" = 400 ] || fail "'$target': $code"
	done
}

@test "absolute-form and * targets get an answer" {
	write_config
	cgi GET http://a.example/echo HTTP_HOST=a.example
	[ "$code" = 200 ] || [ "$code" = 400 ] || fail "$code"
	cgi OPTIONS '*'
	[ -n "$code" ]
	[ "$code" -lt 500 ]
	cgi GET '*'
	[ "$code" = 400 ] || [ "$code" = 404 ]
	cgi GET 'ftp://evil/echo'
	[ -n "$code" ]
	cgi CONNECT 'evil:443'
	[ "$code" -ge 400 ]
	cgi GET /pid
	[ "$code" = 200 ]
}

@test "absolute-form and * targets through the web servers" {
	local server

	write_config
	for server in lighttpd apache; do
		start_web "$server"
		[[ $(raw 'GET http://a/pid HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n') == HTTP/1.?\ [24]* ]]
		[[ $(raw 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n') == HTTP/1.?\ [24]* ]]
		get /pid
		[ "$code" = 200 ]
		stop_servers
		wg stop
	done
}

@test "a Content-Length that is none is 400" {
	local length

	write_config
	for length in -1 abc 1x 99999999999999999999 '1 2' '+3' 0x10; do
		cgi POST /echo CONTENT_LENGTH="$length" < <(printf hello)
		[ "$code" = 400 ] || [ "$code" = 413 ] || fail "$length: $code"
	done
}

@test "a body that is shorter than its Content-Length is not taken for whole" {
	write_config
	cgi POST /count CONTENT_LENGTH=50 < <(printf hello)
	[ "$code" != 200 ]
	[ ! -s "$DELIVERIES" ]
}

@test "a 1 MB header is an error, not a crash" {
	local big

	write_config
	big=$(head -c 100000 /dev/zero | tr '\0' a)
	cgi GET /echo HTTP_X_A="$big"
	[ "$code" = 400 ] || [ "$code" = 431 ] || fail "$code"
	start_lighttpd
	head -c 1000000 /dev/zero | tr '\0' a | sed 's/^/X-Big: /' >"$RUN/field"
	get /echo -H @"$RUN/field"
	[[ $code == 4* || $curl_code -ne 0 ]] || fail "$code"
	still_well
}

@test "10,000 headers are an error, not a crash" {
	local i many=()

	write_config
	for i in {1..10000}; do many+=("HTTP_X_$i=1"); done
	cgi GET /echo "${many[@]}"
	[ "$code" = 400 ] || [ "$code" = 431 ] || fail "$code"
	for i in {1..10000}; do echo "X-$i: 1"; done >"$RUN/fields"
	start_lighttpd
	get /echo -H @"$RUN/fields"
	[[ $code == 4* || $curl_code -ne 0 ]] || fail "$code"
	still_well
}

@test "a query string that looks like options does nothing" {
	write_config
	for arg in keep stop --version -c/etc/passwd; do
		env -i GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
			REQUEST_METHOD=GET REQUEST_URI="/pid?$arg" \
			SCRIPT_NAME='' PATH_INFO=/pid QUERY_STRING="$arg" \
			SERVER_NAME=x SERVER_PORT=80 HTTP_HOST=x \
			ASAN_OPTIONS="$ASAN_OPTIONS" \
			WAKEGATE_CONFIG="$CONFIG" "$WAKEGATE" "$arg" \
			>"$RUN/cgi" 3>&-
		grep -q '^Status: 200' "$RUN/cgi" || fail "$(cat "$RUN/cgi")"
	done
}

@test "a missing environment is an error, not a crash" {
	local result=0

	write_config
	env -i GATEWAY_INTERFACE=CGI/1.1 WAKEGATE_CONFIG="$CONFIG" \
		ASAN_OPTIONS="$ASAN_OPTIONS" "$WAKEGATE" >"$RUN/cgi" 3>&- ||
		result=$?
	((result < 128))
	grep -q '^Status: [45]' "$RUN/cgi"
}

# --- answers -----------------------------------------------------------------

# answers FLAGS... ANSWER: the gateway is a script that answers so; GET / by CGI.
answers() {
	COMMAND=("$SCRIPTED")
	jq -n --arg state "$STATE" --arg address "$GATEWAY_ADDRESS" '{
		state_dir: $state, gateways: { fake: {
			address: $address, command: $ARGS.positional,
			response_timeout_s: 3, stop_timeout_s: 1,
			probe: { interval_ms: 20 } } } }' --args -- \
		"$SCRIPTED" --listen "$GATEWAY_ADDRESS" "$@" >"$CONFIG"
	cgi "${METHOD:-GET}" /
	wg stop >/dev/null
}

# The client was told that something is wrong.
broken_off() {
	[ "$code" = 502 ] || ((cgi_code)) || fail "$1: whole, $(cat "$RUN/cgi")"
}

# bad_response ANSWER: is answered with 502 bad_response.
bad_response() {
	answers "$1"
	[ "$code" = 502 ] || fail "$1 gave $code: $(cat "$RUN/cgi")"
	grep -q '"bad_response"' "$RUN/cgi" || fail "$1: $(cat "$RUN/cgi")"
}

@test "what is not HTTP is bad_response" {
	bad_response 'hello, this is no web server\r\n\r\n'
	bad_response 'HTTP/2.0 200 OK\r\n\r\n'
	bad_response 'HTTP/1.1 abc OK\r\n\r\n'
	bad_response 'HTTP/1.1 20 OK\r\n\r\n'
	bad_response 'HTTP/1.1 99999 OK\r\n\r\n'
}

@test "malformed fields are bad_response" {
	bad_response 'HTTP/1.1 200 OK\r\nX-One : 1\r\nContent-Length: 0\r\n\r\n'
	bad_response 'HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n'
	bad_response 'HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 0\r\n\r\n'
	bad_response 'HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: evil\r\nContent-Length: 0\r\n\r\n'
	bad_response 'HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n'
	bad_response 'HTTP/1.1 200 OK\r\n: 1\r\nContent-Length: 0\r\n\r\n'
}

@test "lengths that are malformed, conflict or overflow are bad_response" {
	bad_response 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'
	bad_response 'HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello'
	bad_response 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello'
	bad_response 'HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello'
	bad_response 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello'
	bad_response 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello'
}

@test "Transfer-Encoding wins over Content-Length, which is dropped" {
	answers 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nsmuggled'
	[ "$code" = 200 ]
	never grep -qi '^Content-Length: 3' "$RUN/cgi"
	never grep -q smuggled "$RUN/cgi"
	[ "$(sed '1,/^\r*$/d' "$RUN/cgi")" = hello ]
}

@test "a second answer behind the first is not given to anybody" {
	answers 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'
	[ "$code" = 200 ]
	[ "$(sed '1,/^\r*$/d' "$RUN/cgi")" = hello ]
}

@test "an endless head is bad_response, and takes no memory for it" {
	answers --endless 'X-Field: and so it goes on, for ever and ever\r\n' \
		'HTTP/1.1 200 OK\r\n'
	[ "$code" = 502 ]
	grep -q '"bad_response"' "$RUN/cgi"
	answers --endless aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa \
		'HTTP/1.1 200 '
	[ "$code" = 502 ]
	answers --endless 'HTTP/1.1 103 Early Hints\r\n\r\n' \
		'HTTP/1.1 103 Early Hints\r\n\r\n'
	[ "$code" = 502 ] || [ "$code" = 504 ]
}

@test "a head that comes byte by byte, without end, is gateway_timeout" {
	answers --byte-ms 100 \
		'HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'
	[ "$code" = 504 ]
	grep -q '"gateway_timeout"' "$RUN/cgi"
}

@test "chunk sizes that overflow, and what is no chunk, break the answer off" {
	local chunk

	for chunk in 'FFFFFFFFFFFFFFFFF\r\nhello' '8000000000000000\r\nhello' \
		'-5\r\nhello\r\n0\r\n\r\n' '5\r\nhelloXX0\r\n\r\n' \
		'0x5\r\nhello\r\n0\r\n\r\n' 'zz\r\n' ' 5\r\nhello\r\n0\r\n\r\n'; do
		answers "HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n$chunk"
		broken_off "$chunk"
	done
}

@test "chunk sizes that overflow look broken to lighttpd's client" {
	COMMAND=("$SCRIPTED")
	jq -n --arg state "$STATE" --arg address "$GATEWAY_ADDRESS" '{
		state_dir: $state, gateways: { fake: { address: $address,
			command: $ARGS.positional, stop_timeout_s: 1 } } }' \
		--args -- "$SCRIPTED" --listen "$GATEWAY_ADDRESS" \
		'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nFFFFFFFFFFFFFFFFF\r\n' \
		>"$CONFIG"
	start_lighttpd
	get /
	[ "$code" = 502 ] || [ "$curl_code" -ne 0 ] || fail "$code $body"
}

@test "an endless trailer or chunk extension is broken off" {
	answers --endless 'X-Field: and so it goes on, for ever and ever\r\n' \
		'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n'
	broken_off trailer
	answers --endless ';aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' \
		'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5'
	broken_off extension
}

@test "1,000 fields in an answer are bad_response" {
	local fields

	fields=$(printf 'X-%d: 1\\r\\n' {1..1000})
	bad_response "HTTP/1.1 200 OK\\r\\n${fields}Content-Length: 0\\r\\n\\r\\n"
}

@test "101 that nobody asked for is bad_response" {
	bad_response 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'
}

@test "a Status or a Location field of the gateway makes no CGI of it" {
	answers 'HTTP/1.1 200 OK\r\nStatus: 500\r\nLocation: /etc\r\nContent-Length: 5\r\n\r\nhello'
	[ "$code" = 200 ]
	[ "$(sed '1,/^\r*$/d' "$RUN/cgi" | head -c 5)" = hello ]
}

@test "a HEAD that is answered with a body passes none on" {
	METHOD=HEAD answers 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'
	[ "$code" = 200 ]
	[ -z "$(sed '1,/^\r*$/d' "$RUN/cgi")" ]
}
