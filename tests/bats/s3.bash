# s3.bash - an S3 store on loopback, strict and faulty; to be loaded after helper
#
#	setup_file() { s3_install; }
#	start_s3			s3rver, and s3proxy.js before it
#	fault 'GET status 503 SlowDown'	see tests/fake/s3proxy.js
#	s3 put some/key "$file" "$(sha256 "$file")"
#
# start_s3 sets S3_ENDPOINT, S3_BUCKET, S3_REGION, S3_ACCESS_FILE, S3_SECRET_FILE
# (exported, as tests/fake/s3client wants them). What it started ends with the test.
#
# shellcheck shell=bash
# shellcheck disable=SC2034  # variables here are for the tests

: "${S3CLIENT:=$TOP_BUILDDIR/tests/fake/s3client}"
S3PROXY=$TOP_SRCDIR/tests/fake/s3proxy.js
S3RVER_FOLDER=$TOP_SRCDIR/.cache/s3rver
S3RVER_PROGRAM=$S3RVER_FOLDER/node_modules/s3rver/bin/s3rver.js

s3_install() {
	# shellcheck source=tools/packages.sh
	. "$TOP_SRCDIR/tools/packages.sh"
	# shellcheck source=tools/s3rver.sh
	. "$TOP_SRCDIR/tools/s3rver.sh"
	s3rver_need "$S3RVER_FOLDER" 3>&-
}

# start_s3 [OPTIONS OF THE PROXY]
start_s3() {
	take_port
	S3RVER_PORT=$REPLY
	take_port
	S3_PORT=$REPLY
	FAULTS=$RUN/faults
	S3_LOG=$RUN/s3proxy.json
	S3_ACCESS=AKIA$RANDOM$RANDOM$RANDOM
	S3_SECRET=secret/$RANDOM+$RANDOM=$RANDOM
	export S3_ENDPOINT=http://127.0.0.1:$S3_PORT
	export S3_BUCKET=bucket S3_REGION=auto
	export S3_ACCESS_FILE=$RUN/s3.key S3_SECRET_FILE=$RUN/s3.secret
	: >"$FAULTS"
	: >"$S3_LOG"
	echo "$S3_ACCESS" >"$S3_ACCESS_FILE"
	echo "$S3_SECRET" >"$S3_SECRET_FILE"
	start_s3rver
	start_s3proxy "$@"
}

start_s3rver() {
	mkdir -p "$RUN/s3rver"
	# its continuation tokens are made by a cipher that OpenSSL 3 calls legacy
	background node --openssl-legacy-provider "$S3RVER_PROGRAM" -d "$RUN/s3rver" -a 127.0.0.1 \
		-p "$S3RVER_PORT" -s --no-vhost-buckets \
		--configure-bucket "$S3_BUCKET"
	S3RVER_PID=$!
	eventually 20 port_open "$S3RVER_PORT"
}

start_s3proxy() {
	background node "$S3PROXY" --port "$S3_PORT" --to "$S3RVER_PORT" \
		--access "$S3_ACCESS" --secret "$S3_SECRET" \
		--region "$S3_REGION" --faults "$FAULTS" --log "$S3_LOG" "$@"
	S3PROXY_PID=$!
	eventually 20 port_open "$S3_PORT"
}

# The store as it is after a restart: what was kept is there.
stop_s3() {
	kill -KILL "$S3PROXY_PID" "$S3RVER_PID"
	eventually 5 port_closed "$S3_PORT"
	eventually 5 port_closed "$S3RVER_PORT"
}

# fault LINE...: what goes wrong next, in this order.
fault() {
	printf '%s\n' "$@" >>"$FAULTS"
}

no_faults() {
	: >"$FAULTS"
	: >"$S3_LOG"
}

# Requests that the store had, by method: PUT GET DELETE LIST.
requests() {
	jq -r --arg method "$1" 'select(.method == $method) | .method' \
		"$S3_LOG" | wc -l
}

# The times between requests of a method, in ms, one a line.
gaps() {
	jq -rs --arg method "$1" '[ .[] | select(.method == $method).at ] as $at
		| range(1; $at | length) | $at[.] - $at[. - 1]' "$S3_LOG"
}

sha256() {
	sha256sum "$1" | cut -d ' ' -f 1
}

# random_file NAME BYTES
random_file() {
	head -c "$2" /dev/urandom >"$RUN/$1"
}

# Keys in the bucket, asked of s3rver itself.
stored() {
	curl -sS "http://127.0.0.1:$S3RVER_PORT/$S3_BUCKET?list-type=2" |
		grep -o '<Key>[^<]*' | cut -c 6- || true
}

# An s3client call: what it says in $answer, its time in $took_ms.
s3() {
	local result=0 begin

	begin=$(now_ms)
	answer=$("${S3_AS[@]}" timeout 100 "$S3CLIENT" "$@" \
		2>>"$RUN/s3client.log" 3>&-) || result=$?
	took_ms=$(($(now_ms) - begin))
	((result < 100)) || fail "s3client $*: died, $result"
	return "$result"
}

# s3_fails CODE WORDS COMMAND...: it fails with this code, and says so.
s3_fails() {
	local expected=$1 words=$2

	shift 2
	if s3 "$@"; then
		fail "done: $* $answer"
		return 1
	fi
	[[ $answer == "$expected: "*"$words"* ]] ||
		fail "$* says '$answer', not $expected: ... $words"
}
