#!/usr/bin/env bats
# What a request met, told afterwards by its id.

load helper

own_setup() {
	TOKEN=0123456789abcdef0123456789abcdef
	BEARER=(-H "Authorization: Bearer $TOKEN")
	(umask 077 && echo "$TOKEN" >"$RUN/token")
}

# write_watched [JQ FILTER]: a configuration whose administrator has a token.
write_watched() {
	write_config '.admin.token_file = (.gateways.fake.directory + "/token")
		| '"${1:-.}"
}

id() {
	header X-Request-Id
}

# explained ID: until something is known of it; it is in $REPLY.
explained() {
	eventually 5 knows "$1"
	REPLY=$(wg explain "$1")
}

knows() {
	wg explain "$1" >/dev/null 2>&1
}

has() {
	[[ $REPLY == *$1* ]] || fail "no '$1' in: $REPLY"
}

@test "a request that waited is told what it found, how long, and by whom" {
	FLAGS=(--boot-ms 600)
	write_watched
	start_lighttpd
	get /pid
	[ "$code" = 200 ]
	[[ $(id) =~ ^[0-9a-f]{32}$ ]] || fail "$(cat "$RUN/head")"
	explained "$(id)"
	[[ $REPLY =~ 'had it started, waited '[0-9]+\.[0-9] ]] || fail "$REPLY"
	has 'found stopped, had it started'
	has 'came, and found it stopped: it had never been started'
	has 'generation 1: the gateway was started'
	has 'generation 1: the gateway was ready: took_ms '
	has 'generation 1: answered 200'
}

@test "a crash in the middle: seen, the next generation, sent once more, answered" {
	write_watched
	start_lighttpd
	get /pid
	get '/count?die=first'
	[ "$code" = 200 ] || fail "$body"
	explained "$(id)"
	has 'found ready (generation 1)'
	has 'saw generation 1 crash, sent once more to generation 2, answered 200'
	has 'generation 1: sent, and saw the gateway crash: why '
	has 'generation 1: the gateway ended by itself: exit_signal 9'
	has 'generation 2: the gateway was started'
	has 'generation 2: sent once more'
	has 'generation 2: answered 200'
}

@test "a crash that it could not outlive is told as well" {
	write_watched
	start_lighttpd
	get /crash
	[ "$code" = 503 ]
	explained "$(id)"
	has 'saw generation 1 crash'
	has 'answered 503 crashed by wakegate'
}

@test "a refusal says which, and how the gateway had ended before" {
	FLAGS=(--exit-before-listen 78)
	write_watched
	start_lighttpd
	get /pid
	[ "$code" = 503 ]
	get /pid
	[ "$(json .code)" = failed ]
	[ "$(json .instance)" = "$(id)" ]
	explained "$(id)"
	has 'found failed (generation 1)'
	has 'the gateway ended by itself: exit_code 78'
	has 'the gateway was given up: reason exit_code'
	has 'answered 503 failed by wakegate'
}

@test "a browser's page load is told as that" {
	FLAGS=(--boot-ms 1000)
	write_watched
	start_lighttpd
	get / -H 'Accept: text/html'
	[ "$code" = 503 ]
	explained "$(id)"
	has 'found stopped, had it started'
	has 'answered 503 with the loading page'
}

@test "the API tells the same as JSON, to who may ask" {
	FLAGS=(--boot-ms 300)
	write_watched
	start_lighttpd
	get /pid
	local id

	id=$(id)
	explained "$id"
	get "/api/admin/explain/$id" "${BEARER[@]}"
	[ "$code" = 200 ] || fail "$body"
	[ "$(json .request)" = "$id" ]
	[ "$(json .found)" = stopped ]
	[ "$(json .status)" = 200 ]
	[ "$(json '.waited_ms >= 200')" = true ] || fail "$body"
	[ "$(json '.steps | map(.text) | any(startswith("answered 200"))')" = true ]
	wg explain "$id" --json >"$RUN/body"
	[ "$(json .request)" = "$id" ]
	get "/api/admin/explain/$id"
	[ "$code" = 401 ]
}

@test "an id of which nothing is known: says so, and why that may be; 404" {
	write_watched
	start_lighttpd
	run wg explain 00000000000000000000000000000000
	[ "$status" -eq 1 ]
	[[ $output == *'no event: it met a ready gateway'* ]] || fail "$output"
	get /api/admin/explain/00000000000000000000000000000000 "${BEARER[@]}"
	[ "$code" = 404 ]
	[[ $(json .detail) == *'it met a ready gateway'* ]] || fail "$body"
	run wg explain
	[ "$status" -eq 2 ]
}

requests_are() {
	[ "$(query 'SELECT count(*) FROM request')" = "$1" ]
}

@test "a request to a ready gateway writes nothing of it, and gets no id" {
	write_watched
	start_lighttpd
	get /pid
	eventually 5 requests_are 1
	for _ in {1..20}; do get /pid; done
	[ -z "$(id)" ] || fail "$(cat "$RUN/head")"
	requests_are 1
}

@test "under CGI, too, it is known what a request met" {
	FLAGS=(--boot-ms 200)
	write_watched
	cgi GET /pid
	[ "$code" = 200 ]
	explained "$(tr -d '\r' <"$RUN/cgi" | sed -n 's/^X-Request-Id: //p')"
	has 'found stopped, had it started'
}

@test "only the newest are kept" {
	write_watched
	start_lighttpd
	get /pid
	query "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
		WHERE i < 10500) INSERT INTO request (request, at_ms, took_ms,
		waited_ms, retried) SELECT 'r' || i, 1, 0, 0, 0 FROM n"
	wg stop
	get /pid
	explained "$(id)"
	[ "$(query 'SELECT count(*) FROM request')" -le 10000 ]
}
