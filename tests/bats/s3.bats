#!/usr/bin/env bats
# A bucket: each promise of handler/snapshot/remote.h, against s3rver behind a proxy
# that is as strict as S3 and as faulty as a network.

load helper
load s3

S3_AS=()
# where a test may mount; as another user than root, too
MOUNTS=(unshare -m)
((EUID == 0)) || MOUNTS=(unshare -Urm)

setup_file() {
	s3_install
}

own_setup() {
	export S3_DEADLINE_MS=60000 S3_STALL_S=30 S3_PREFIX=
	start_s3
}

put_some() { # KEY BYTES: a file, put under a key; $digest is its own
	random_file "file" "$2"
	digest=$(sha256 "$RUN/file")
	s3 put "$1" "$RUN/file" "$digest" || fail "$answer"
	: >"$S3_LOG"
}

get_some() { # KEY BYTES: is it what was put?
	s3 get "$1" "$RUN/copy" "$2" "$digest" || fail "$answer"
	cmp "$RUN/file" "$RUN/copy" || return 1
	rm "$RUN/copy"
}

# --- what goes well -----------------------------------------------------------

@test "s3: what was put comes back, byte for byte, and nothing else is there" {
	for bytes in 0 1 300000 5000001; do
		put_some "snap/$bytes.tar.zst" "$bytes"
		get_some "snap/$bytes.tar.zst" "$bytes"
	done
	[ "$(stored | wc -l)" -eq 4 ]
	s3 put-text snap/manifest.json '{"a": "ü"}'
	s3 get-text snap/manifest.json
	[ "$answer" = '{"a": "ü"}' ]
	s3 put-text snap/empty ''
	s3 get-text snap/empty
	[ "$answer" = '' ]
}

@test "s3: the prefix stands before each key, and is not told" {
	S3_PREFIX=open/claw/ s3 put-text a/b one
	s3 put-text open/other two
	[ "$(stored)" = $'open/claw/a/b\nopen/other' ]
	S3_PREFIX=open/claw/ s3 list ''
	[ "$answer" = '3 a/b' ]
	S3_PREFIX=open/claw/ s3 list b
	[ "$answer" = '' ]
	S3_PREFIX=open/claw/ s3 delete a/b
	[ "$(stored)" = open/other ]
}

@test "s3: keys with spaces, signs and letters of all kinds are put, listed, read and deleted" {
	local keys=('a b' 'a+b' 'a=b&c' "it's (1)!*" 'ä/ö/€' '日本/😀' 'a%20b'
		'<tag>&amp;"q"' 'q?x#y' 'tilde~_-.' 'a@b:c;d,e$' '[x]{y}|^`')
	local key

	for key in "${keys[@]}"; do
		s3 put-text "odd/$key" "$key" || fail "$key: $answer"
	done
	printf '7 odd/%s\n' "${keys[@]}" | cut -d ' ' -f 2- | sort \
		>"$RUN/expected"
	for mode in encoded plain; do
		[ "$mode" = encoded ] || fault 'LIST plain'
		s3 list odd/ || fail "$answer"
		cut -d ' ' -f 2- <<<"$answer" | sort >"$RUN/listed"
		diff "$RUN/expected" "$RUN/listed"
	done
	for key in "${keys[@]}"; do
		s3 get-text "odd/$key" || fail "$key: $answer"
		[ "$answer" = "$key" ]
		s3 delete "odd/$key" || fail "$key: $answer"
	done
	[ "$(stored)" = '' ]
	s3_fails INVALID 'cannot name' put-text ../a x
	s3_fails INVALID 'cannot name' put-text a/./b x
	s3_fails INVALID 'cannot name' put-text '' x
}

@test "s3: 2,300 keys are listed over their pages, each once and in order" {
	curl -sS -Z --parallel-max 20 -o /dev/null -X PUT --data-binary x \
		"http://127.0.0.1:$S3RVER_PORT/bucket/many/key%20[0001-2300]"
	s3 list many/ || fail "$answer"
	diff <(printf '1 many/key %04d\n' {1..2300}) <(echo "$answer")
	[ "$(requests LIST)" -eq 3 ]
}

@test "s3: progress counts what is sent and read back, or what has come" {
	put_some key 3000000
	[ "$(tail -n 1 "$RUN/s3client.log")" = 'moved 6000000' ]
	get_some key 3000000
	[ "$(tail -n 1 "$RUN/s3client.log")" = 'moved 3000000' ]
}

# --- what is refused ----------------------------------------------------------

@test "s3: a wrong secret is INVALID with the store's code, asked once, and stores nothing" {
	random_file file 3000000
	echo wrong-secret >"$S3_SECRET_FILE"
	s3_fails INVALID '403 SignatureDoesNotMatch' get-text key
	s3_fails INVALID '403 SignatureDoesNotMatch' list ''
	[ "$(requests GET)" -eq 1 ] && [ "$(requests LIST)" -eq 1 ]
	s3_fails INVALID '403 SignatureDoesNotMatch' put key "$RUN/file" \
		"$(sha256 "$RUN/file")"
	[ "$(requests PUT)" -eq 1 ]
	echo "$S3_SECRET" >"$S3_SECRET_FILE"
	echo AKIAOTHER >"$S3_ACCESS_FILE"
	s3_fails INVALID '403 InvalidAccessKeyId' get-text key
	echo "$S3_ACCESS" >"$S3_ACCESS_FILE"
	S3_REGION=mars s3_fails INVALID '400 AuthorizationHeaderMalformed' \
		get-text key
	[ "$(stored)" = '' ]
}

@test "s3: a key that is not there is MISSING, and no error to delete" {
	s3_fails MISSING '404 NoSuchKey' get-text no/such
	s3_fails MISSING '404 NoSuchKey' get no/such "$RUN/copy" 1 "$(sha256 /dev/null)"
	[ ! -e "$RUN/copy" ]
	s3 delete no/such || fail "$answer"
}

@test "s3: a bucket that is not there is INVALID, and never a missing key" {
	export S3_BUCKET=other

	s3_fails INVALID '404 NoSuchBucket' get-text key
	s3_fails INVALID '404 NoSuchBucket' list ''
	s3_fails INVALID '404 NoSuchBucket' put-text key text
	fault 'GET text 404 Not Found' 'LIST text 404 Not Found'
	s3_fails INVALID 404 get-text key
	s3_fails INVALID 404 list ''
}

@test "s3: a redirect is not followed, and said" {
	fault 'GET text 307 x' 'LIST status 301 PermanentRedirect'
	s3_fails INVALID 'a redirect is not followed' get-text key
	s3_fails INVALID '301 PermanentRedirect' list ''
	[ "$(wc -l <"$S3_LOG")" -eq 2 ]
}

@test "s3: a file too large for one object is refused before a byte is sent" {
	truncate -s 5368709121 "$RUN/huge"
	s3_fails LIMIT 'one object has at most' put key "$RUN/huge" \
		"$(sha256 /dev/null)"
	s3_fails LIMIT 'more than 65536 bytes' put-text key \
		"$(head -c 65537 /dev/zero | tr '\0' x)"
	[ ! -s "$S3_LOG" ]
}

@test "s3: a text is at most 64 KB, and has no NUL" {
	put_some large 65537
	s3_fails LIMIT 65536 get-text large
	printf 'a\0b' >"$RUN/nul"
	s3 put nul "$RUN/nul" "$(sha256 "$RUN/nul")"
	s3_fails CORRUPT 'is no text' get-text nul
}

@test "s3: a listing that is none, goes round, or has others' keys is INVALID" {
	local cut='<IsTruncated>true</IsTruncated><NextContinuationToken>x'
	local key='<Contents><Key>other</Key><Size>1</Size></Contents>'

	fault 'LIST text 200 <html>Welcome to the hotel</html>'
	s3_fails INVALID 'not what S3 sends' list ''
	fault "always LIST text 200 <ListBucketResult>$cut</NextContinuationToken></ListBucketResult>"
	s3_fails INVALID 'in a circle' list ''
	no_faults
	fault "LIST text 200 <ListBucketResult>$key</ListBucketResult>"
	s3_fails INVALID 'does not begin with' list mine/
}

@test "s3: an answer with an endless head is INVALID" {
	s3 put-text key x
	fault 'GET head 100000'
	s3_fails INVALID 'the head' get-text key
}

# --- what passes --------------------------------------------------------------

@test "s3: 429, 500, 502, 503, 504 and resets are tried again" {
	for kind in '429 TooManyRequests' '500 InternalError' '502 x' \
		'503 SlowDown' '504 x' '400 RequestTimeout'; do
		no_faults
		fault "PUT status $kind" "GET status $kind" \
			"LIST status $kind" "DELETE status $kind"
		s3 put-text key x || fail "$answer"
		s3 list '' || fail "$answer"
		[ "$answer" = '1 key' ]
		s3 delete key || fail "$answer"
		[ "$(wc -l <"$S3_LOG")" -eq 8 ]
	done
	no_faults
	fault 'PUT reset' 'GET reset' 'LIST reset' 'DELETE reset'
	s3 put-text key x || fail "$answer"
	s3 list '' || fail "$answer"
	s3 delete key || fail "$answer"
	[ "$(wc -l <"$S3_LOG")" -eq 8 ]
}

@test "s3: it is tried 5 times in all, then CLOSED with status and code" {
	fault 'always GET status 503 SlowDown'
	s3_fails CLOSED '503 SlowDown' get-text key
	[[ $answer == *'5 tries'* ]]
	[ "$(requests GET)" -eq 5 ]
	no_faults
	fault 'always LIST reset'
	s3_fails CLOSED '5 tries' list ''
	[ "$(requests LIST)" -eq 5 ]
	stop_s3
	s3_fails CLOSED '5 tries' get-text key
}

@test "s3: the pause doubles from 0.2 s, with jitter" {
	local i base all=''

	fault 'always GET status 500 InternalError'
	for i in 1 2 3; do
		: >"$S3_LOG"
		s3_fails CLOSED 500 get-text key
		base=200
		for gap in $(gaps GET); do
			((gap >= base / 2 - 5 && gap <= base * 3 / 2 + 3000)) ||
				fail "$gap ms instead of about $base"
			base=$((base * 2))
			all+="$gap "
		done
		((base == 3200))
	done
	# the longest of each run: 1.6 s give or take 0.8
	[ "$(awk '{ print $4, $8, $12 }' <<<"$all" | tr ' ' '\n' |
		awk '{ print int($1 / 5) }' | sort -u | wc -l)" -gt 1 ] ||
		fail "no jitter: $all"
}

@test "s3: Retry-After is waited for, as seconds and as a date" {
	s3 put-text key x
	: >"$S3_LOG"
	fault 'GET status 429 TooManyRequests retry-after=2' \
		'GET status 503 SlowDown retry-after=date+3'
	s3 get-text key || fail "$answer"
	mapfile -t waited < <(gaps GET)
	((waited[0] >= 2000 && waited[0] < 9000)) || fail "${waited[*]} ms"
	((waited[1] >= 1900 && waited[1] < 9000)) || fail "${waited[*]} ms"
}

@test "s3: Retry-After is waited for at most 30 s, and not past the deadline" {
	s3 put-text key x
	: >"$S3_LOG"
	fault 'GET status 429 TooManyRequests retry-after=5'
	S3_DEADLINE_MS=3000 s3_fails CLOSED '429 TooManyRequests' get-text key
	((took_ms < 4500)) || fail "$took_ms ms"
	: >"$S3_LOG"
	fault 'GET status 503 SlowDown retry-after=3600'
	S3_STALL_S=60 s3 get-text key || fail "$answer"
	mapfile -t waited < <(gaps GET)
	((waited[0] >= 30000 && waited[0] < 45000)) || fail "${waited[*]} ms"
}

@test "s3: pauses that the store asks for are no longer than two thirds of stall_s in all" {
	s3 put-text key x
	: >"$S3_LOG"
	fault 'GET status 503 SlowDown retry-after=2' \
		'GET status 503 SlowDown retry-after=20' \
		'GET status 503 SlowDown retry-after=20'
	S3_STALL_S=6 s3 get-text key || fail "$answer"
	mapfile -t waited < <(gaps GET)
	((waited[0] >= 2000 && waited[1] >= 2000)) || fail "${waited[*]} ms"
	((took_ms < 9000)) || fail "$took_ms ms: ${waited[*]}"
}

@test "s3: what comes goes to the disk on its way, not at the end" {
	command -v strace >/dev/null || skip "needs strace"
	put_some key 33000000
	S3_AS=(strace -f -qq -o "$RUN/trace" -e "trace=sync_file_range,fsync")
	get_some key 33000000
	S3_AS=()
	[ "$(grep -c 'RANGE_WRITE) = 0' "$RUN/trace")" -eq 3 ] ||
		fail "$(<"$RUN/trace")"
	[ "$(grep -c 'WAIT_BEFORE) = 0' "$RUN/trace")" -eq 2 ]
	grep sync "$RUN/trace" | tail -n 1 | grep 'fsync(.* = 0'
}

@test "s3: a put whose answer was lost is put again, and whole" {
	random_file file 2000000
	fault 'PUT lost'
	s3 put key "$RUN/file" "$(sha256 "$RUN/file")" || fail "$answer"
	digest=$(sha256 "$RUN/file")
	get_some key 2000000
	[ "$(requests PUT)" -eq 2 ]
}

# --- downloads that break -----------------------------------------------------

# Were all but the first asked for with Range, and with the first one's ETag?
resumed() { # TIMES
	local etag

	etag=$(curl -sS -D - -o /dev/null \
		"http://127.0.0.1:$S3RVER_PORT/bucket/key" |
		sed -n 's/^etag: *//Ip' | tr -d '\r')
	jq -es --arg etag "$etag" --argjson times "$1" '.[1:] |
		length == $times and all(.[]; .if_match == $etag and
			(.range | test("^bytes=[1-9][0-9]*-$")))' "$S3_LOG" ||
		{ cat "$S3_LOG"; false; }
}

@test "s3: a download that breaks goes on where it broke off, if it is still the same" {
	put_some key 4000000
	fault 'GET break 1000000' 'GET break 1000001' 'GET break 1'
	get_some key 4000000
	resumed 3
}

@test "s3: a download that can't go on, as its ETag or size has changed, begins anew" {
	local kind

	put_some key 4000000
	for kind in '412 PreconditionFailed' '416 InvalidRange'; do
		: >"$S3_LOG"
		fault 'GET break 1000000' "GET status $kind" 'GET break 1000000'
		get_some key 4000000
		jq -es 'length == 4 and (.[2] | (.range or .if_match) | not) and
			(.[3] | .range and .if_match)' "$S3_LOG" ||
			fail "$(<"$S3_LOG")"
	done
	# nothing that the object is to blame for
	fault 'GET break 1000000' 'always GET status 412 PreconditionFailed'
	s3_fails CORRUPT 412 get key "$RUN/copy" 4000000 "$digest"
	[ ! -e "$RUN/copy" ]
	no_faults
	fault 'GET break 1' 'GET break 1' 'GET break 1' 'GET break 1' \
		'GET status 412 PreconditionFailed'
	s3_fails CLOSED 412 get key "$RUN/copy" 4000000 "$digest"
	[ ! -e "$RUN/copy" ]
}

@test "s3: a download without a length that is cut short goes on too" {
	put_some key 2000000
	fault 'GET cut 1500000'
	get_some key 2000000
	resumed 1
	fault 'GET cut 2000000'
	get_some key 2000000
}

@test "s3: a store that ignores Range makes it start anew" {
	put_some key 2000000
	fault 'GET break 1500000' 'GET whole'
	get_some key 2000000
	[ "$(requests GET)" -eq 2 ]
}

@test "s3: a download that breaks each time is CLOSED, and leaves no file" {
	put_some key 2000000
	fault 'always GET break 100000'
	s3_fails CLOSED '5 tries' get key "$RUN/copy" 2000000 "$digest"
	[ ! -e "$RUN/copy" ]
}

@test "s3: a download of another size or content is CORRUPT, and leaves no file" {
	put_some key 2000000
	fault 'GET short 1999999'
	s3_fails CORRUPT '1999999 bytes instead of 2000000' \
		get key "$RUN/copy" 2000000 "$digest"
	[ ! -e "$RUN/copy" ]
	s3_fails CORRUPT 'longer than 1999999' get key "$RUN/copy" 1999999 "$digest"
	[ ! -e "$RUN/copy" ]
	fault 'GET flip'
	s3_fails CORRUPT 'is not what was put' get key "$RUN/copy" 2000000 "$digest"
	[ ! -e "$RUN/copy" ]
}

@test "s3: a download is for the owner's eyes, and touches no file that is there" {
	put_some key 1000
	(umask 0 && s3 get key "$RUN/copy" 1000 "$digest")
	[ "$(stat -c %a "$RUN/copy")" = 600 ]
	echo mine >"$RUN/copy"
	s3_fails SYSTEM 'File exists' get key "$RUN/copy" 1000 "$digest"
	[ "$(cat "$RUN/copy")" = mine ]
	: >"$S3_LOG"
	s3_fails SYSTEM 'No such file' get key "$RUN/no/copy" 1000 "$digest"
	[ ! -s "$S3_LOG" ]
}

@test "s3: a full disk ends a download, and leaves no file" {
	put_some key 4000000
	mkdir "$RUN/small"
	S3_AS=("${MOUNTS[@]}" sh -c 'mount -t tmpfs -o size=1m none "$0" &&
		"$@"; status=$?; ls "$0"; exit "$status"' "$RUN/small")
	s3_fails SYSTEM 'No space left' get key "$RUN/small/copy" 4000000 "$digest"
	[[ $answer != *copy ]]
}

# --- uploads that lie ---------------------------------------------------------

@test "s3: a put that the store cut short is found by reading back, and deleted" {
	random_file file 2000000
	fault 'PUT truncate'
	s3_fails CORRUPT '1000000 bytes instead of 2000000' \
		put key "$RUN/file" "$(sha256 "$RUN/file")"
	[ "$(stored)" = '' ]
	fault 'PUT truncate'
	s3_fails CORRUPT 'instead of' put-text key 'a manifest'
	[ "$(stored)" = '' ]
	fault 'GET flip'
	s3_fails CORRUPT 'is not what was put' \
		put key "$RUN/file" "$(sha256 "$RUN/file")"
	[ "$(stored)" = '' ]
}

@test "s3: a put that cannot be read back is deleted" {
	random_file file 100000
	fault 'always GET status 503 SlowDown'
	s3_fails CLOSED '503 SlowDown' put key "$RUN/file" "$(sha256 "$RUN/file")"
	[ "$(stored)" = '' ]
	no_faults
	fault 'GET status 404 NoSuchKey'
	s3_fails CORRUPT NoSuchKey put key "$RUN/file" "$(sha256 "$RUN/file")"
	[ "$(stored)" = '' ]
}

@test "s3: a file that is not what its digest says is not put" {
	random_file file 100000
	s3_fails INVALID XAmzContentSHA256Mismatch put key "$RUN/file" \
		"$(sha256 /dev/null)"
	[ "$(stored)" = '' ]
}

# --- time ---------------------------------------------------------------------

took() { # MIN_MS MAX_MS
	((took_ms >= $1 && took_ms <= $2)) ||
		fail "$took_ms ms instead of $1 to $2: $answer"
}

@test "s3: a store that hangs is left after stall_s" {
	export S3_STALL_S=2

	put_some key 2000000
	fault 'GET hang' 'LIST hang' 'DELETE hang'
	s3_fails TIMEOUT 'bytes a second for 2 s' get-text key
	took 2000 9000
	s3_fails TIMEOUT 'bytes a second for 2 s' list ''
	took 2000 9000
	s3_fails TIMEOUT 'bytes a second for 2 s' delete key
	took 2000 9000
	fault 'PUT swallow 100000'
	s3_fails TIMEOUT 'bytes a second for 2 s' put other "$RUN/file" "$digest"
	took 2000 9000
	kill -STOP "$S3PROXY_PID"
	s3_fails TIMEOUT 'bytes a second for 2 s' get key "$RUN/copy" 2000000 "$digest"
	took 2000 9000
}

@test "s3: a download that stalls on its way goes on where it stood, once it can" {
	export S3_STALL_S=2

	put_some key 2000000
	fault 'GET hang 1000000'
	get_some key 2000000
	resumed 1
	took 2000 12000
}

@test "s3: a deadline ends all of it" {
	put_some key 2000000
	fault 'GET hang' 'LIST hang' 'PUT hang'
	export S3_DEADLINE_MS=1500
	s3_fails TIMEOUT '' get key "$RUN/copy" 2000000 "$digest"
	took 1400 8000
	s3_fails TIMEOUT '' list ''
	took 1400 8000
	s3_fails TIMEOUT '' put other "$RUN/file" "$digest"
	took 1400 8000
	fault 'always GET status 503 SlowDown retry-after=20'
	S3_DEADLINE_MS=10000 s3_fails CLOSED '503 SlowDown' get-text key
	took 0 9000
	S3_DEADLINE_MS=0 s3_fails TIMEOUT 'no time is left' get-text key
	took 0 5000
}

@test "s3: a put that hung is deleted within 5 s, or left when the store is gone" {
	random_file file 2000000
	kill -STOP "$S3PROXY_PID"
	S3_DEADLINE_MS=1500 s3_fails TIMEOUT '' \
		put key "$RUN/file" "$(sha256 "$RUN/file")"
	took 1500 12000
}

@test "s3: under 1 KB/s is a stall, over it is only slow" {
	export S3_STALL_S=3

	put_some key 20000
	fault 'always GET slow 500'
	s3_fails TIMEOUT 'bytes a second' get key "$RUN/copy" 20000 "$digest"
	took 3000 10000
	no_faults
	fault 'always GET slow 4000'
	get_some key 20000
	took 4000 25000
	[ "$(requests GET)" -eq 1 ]
}

# --- secrets ------------------------------------------------------------------

@test "s3: secrets stand in no message, no argument, no URL and no variable" {
	random_file file 300000
	digest=$(sha256 "$RUN/file")
	fault "GET status 400 $S3_ACCESS" 'GET slow 100000' \
		"always GET status 403 AccessDenied"
	s3_fails INVALID '400 [redacted]' get-text key
	s3 put key "$RUN/file" "$digest" &
	local pid=$!
	eventually 5 grep -q PUT "$S3_LOG"
	for process in $(pgrep -P "$pid") $(pgrep -f "^$S3CLIENT put key $RUN"); do
		cat "/proc/$process/cmdline" "/proc/$process/environ"
	done | tr '\0' '\n' >"$RUN/seen"
	grep -qF put "$RUN/seen"
	wait "$pid"
	s3_fails INVALID AccessDenied get-text key
	jq .url "$S3_LOG" >"$RUN/urls"
	cat "$RUN"/seen "$RUN"/urls "$RUN"/*.log <(echo "$answer") >"$RUN/all"
	never grep -F -e "$S3_ACCESS" -e "$S3_SECRET" "$RUN/all"
}

@test "s3: a secret's file that is missing is said, by its name" {
	rm "$S3_SECRET_FILE"
	s3_fails SYSTEM "s3.secret_key" get-text key
	[[ $answer == *"$S3_SECRET_FILE"* ]]
}

# --- TLS ----------------------------------------------------------------------

@test "s3: a certificate that nobody vouches for is INVALID, one that the system trusts is good" {
	stop_s3
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test \
		-addext 'subjectAltName = IP:127.0.0.1' -keyout "$RUN/tls.key" \
		-out "$RUN/tls.crt" 2>"$RUN/openssl.log"
	start_s3rver
	start_s3proxy --tls "$RUN/tls"
	export S3_ENDPOINT=https://127.0.0.1:$S3_PORT
	s3_fails INVALID certificate get-text key
	[[ $answer != *tries* ]]
	[ ! -s "$S3_LOG" ]
	S3_AS=("${MOUNTS[@]}" sh -c 'mount --bind "$0" \
		/etc/ssl/certs/ca-certificates.crt && exec "$@"' "$RUN/tls.crt")
	put_some key 3000000
	get_some key 3000000
	export S3_ENDPOINT=https://localhost:$S3_PORT
	s3_fails INVALID certificate get-text key
	export S3_ENDPOINT=ftp://127.0.0.1:$S3_PORT
	s3_fails INVALID '' get-text key
}
