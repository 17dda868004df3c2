#!/usr/bin/env bats
# What a web server may do on a FastCGI connection, and seldom does.

load helper
load fcgi

threads_of() {
	find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l
}

descriptors_of() {
	find "/proc/$1/fd" -mindepth 1 -maxdepth 1 | wc -l
}

# serve_tcp [OPTIONS]: on $PORT.
serve_tcp() {
	take_port
	PORT=$REPLY
	serve "127.0.0.1:$PORT" "$@"
}

# say BYTES: on a new connection, $fd.
say() {
	exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
	printf '%b' "$1" >&"$fd"
}

is_starting() {
	[ "$(row state)" = starting ]
}

has_few_descriptors() {
	(($(descriptors_of "$SERVE") < 30))
}

@test "half a request holds no thread, and does not last" {
	local i whole took fd

	write_config
	serve_tcp --threads 4
	whole=$(fcgi_request)
	say "$whole"
	[[ $(fcgi_said "$fd" 20) == *'Status: 200'*END* ]]
	for ((i = 0; i < 30; i++)); do
		say '\x01'
		say "${whole:0:60}" # in the middle of a header
		say "${whole:0:200}" # and of the parameters
	done
	(($(threads_of "$SERVE") <= 6)) || fail "$(threads_of "$SERVE") threads"
	took=$(now_ms)
	say "$whole"
	[[ $(fcgi_said "$fd" 20) == *'Status: 200'*END* ]]
	took=$(($(now_ms) - took))
	((took < 3000)) || fail "held up for $took ms"
	eventually 10 has_few_descriptors
	(($(threads_of "$SERVE") <= 6))
}

@test "a request that comes in small pieces is answered" {
	local i whole fd pieces=()

	write_config
	serve_tcp --threads 1
	whole=$(printf '%b' "$(fcgi_request)" | od -An -v -tx1 | tr -d ' \n' |
		sed 's/../\\x&/g')
	for ((i = 0; i < ${#whole}; i += 4 * 21)); do
		pieces+=("${whole:i:4*21}")
	done
	((${#pieces[@]} > 5))
	exec {fd}<>"/dev/tcp/127.0.0.1/$PORT"
	for i in "${pieces[@]}"; do
		printf '%b' "$i" >&"$fd"
		sleep 0.02
	done
	[[ $(fcgi_said "$fd" 20) == *'Status: 200'*END* ]]
}

@test "records of no request, and parameters that overrun, keep no others waiting" {
	local fd took begin='\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x01\x00\x00\x00\x00\x00'

	write_config
	serve_tcp --threads 1
	say "$(fcgi_request)"
	[[ $(fcgi_said "$fd" 20) == *'Status: 200'*END* ]]
	took=$(now_ms)
	# the ends are those of another request
	say "$begin"'\x01\x04\x00\x02\x00\x00\x00\x00\x01\x05\x00\x02\x00\x00\x00\x00'
	# no beginning
	say '\x01\x04\x00\x01\x00\x00\x00\x00\x01\x05\x00\x01\x00\x00\x00\x00'
	# a name of 127 bytes in a record of 4
	say "$begin"'\x01\x04\x00\x01\x00\x04\x00\x00\x7f\x00ab\x01\x04\x00\x01\x00\x00\x00\x00\x01\x05\x00\x01\x00\x00\x00\x00'
	say "$(fcgi_request)"
	[[ $(fcgi_said "$fd" 20) == *'Status: 200'*END* ]]
	took=$(($(now_ms) - took))
	((took < 3000)) || fail "held up for $took ms"
}

@test "a request without an end is answered, and holds its thread for a second" {
	local fd

	write_config
	serve_tcp --threads 1
	say "$(fcgi_head GET /pid "$(pair CONTENT_LENGTH 0)")"
	[[ $(fcgi_said "$fd" 20) == *'Status: 200'*END* ]]
	say "$(fcgi_request)"
	[[ $(fcgi_said "$fd" 4) == *'Status: 200'*END* ]]
}

@test "a request that is aborted ends, and the connection serves the next one" {
	local fd took

	write_config '.gateways.fake.keepalive_s = 0'
	serve_tcp
	say "$(fcgi_request)"
	[[ $(fcgi_said "$fd" 20) == *END* ]]
	eventually 5 gateway_connections_are 0
	printf '%b' "$(fcgi_request '/slow?ms=20000')" >&"$fd"
	eventually 5 never gateway_connections_are 0
	took=$(now_ms)
	printf '%b' "$(fcgi_abort)" >&"$fd"
	[[ $(fcgi_said "$fd" 5) == *END* ]]
	took=$(($(now_ms) - took))
	((took < 3000)) || fail "it took $took ms"
	# the gateway sees that nobody waits any more
	eventually 8 gateway_connections_are 0
	printf '%b' "$(fcgi_request)" >&"$fd"
	[[ $(fcgi_said "$fd" 5) == *'Status: 200'*END* ]]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "a request that is aborted while it waits for a start ends" {
	local fd took

	FLAGS=(--boot-ms 5000)
	write_config
	serve_tcp
	say "$(fcgi_request)"
	eventually 5 is_starting
	took=$(now_ms)
	printf '%b' "$(fcgi_abort)" >&"$fd"
	[[ $(fcgi_said "$fd" 4) == *END* ]]
	took=$(($(now_ms) - took))
	((took < 3000)) || fail "it took $took ms"
	is_starting # for whoever comes next
	printf '%b' "$(fcgi_request)" >&"$fd"
	[[ $(fcgi_said "$fd" 10) == *'Status: 200'*END* ]]
	[ "$(gateway_starts)" -eq 1 ]
}

@test "a response that is aborted in the middle ends" {
	local fd reader

	write_config
	serve_tcp
	say "$(fcgi_request '/sse?n=1000&ms=50')"
	fcgi_said "$fd" 20 >"$RUN/said" 3>&- &
	reader=$!
	eventually 10 grep -q 'data: ' "$RUN/said"
	printf '%b' "$(fcgi_abort)" >&"$fd"
	wait "$reader"
	grep -q END "$RUN/said"
	eventually 8 gateway_connections_are 0
	printf '%b' "$(fcgi_request)" >&"$fd"
	[[ $(fcgi_said "$fd" 5) == *'Status: 200'*END* ]]
}

@test "an abort that comes after the response is no request" {
	local fd

	write_config
	serve_tcp
	say "$(fcgi_request)"
	[[ $(fcgi_said "$fd" 20) == *END* ]]
	printf '%b' "$(fcgi_abort)" >&"$fd"
	sleep 0.2
	printf '%b' "$(fcgi_request)" >&"$fd"
	[[ $(fcgi_said "$fd" 5) == *'Status: 200'*END* ]]
	printf '%b' "$(fcgi_abort)$(fcgi_request)" >&"$fd"
	[[ $(fcgi_said "$fd" 5) == *'Status: 200'*END* ]]
}

@test "a request that is aborted in its body is never whole" {
	local fd

	write_config
	serve_tcp
	say "$(fcgi_head POST /count "$(pair CONTENT_LENGTH 100)")$(
		record 5 hello)"
	sleep 1
	printf '%b' "$(fcgi_abort)" >&"$fd"
	[[ $(fcgi_said "$fd" 5) != *'Status: 200'* ]]
	eventually 3 gateway_connections_are 0
	[ ! -s "$DELIVERIES" ]
}
