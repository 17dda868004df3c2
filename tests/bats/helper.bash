# helper.bash - what every test file here loads
#
# Each test has a folder (RUN), ports and a gateway of its own; what it started
# is ended afterwards, and a test that leaves a process behind has failed.
#
#	FLAGS=(--boot-ms 200)		the fake gateway's flags
#	write_config '.gateways.fake.wait_s = 3'
#	start_lighttpd
#	get /pid; [ "$code" = 200 ]
#
# shellcheck shell=bash
# shellcheck disable=SC2034  # variables here are for the tests

set -u
export LC_ALL=C.UTF-8
export BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-180}

: "${TOP_SRCDIR:=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}"
: "${TOP_BUILDDIR:=$TOP_SRCDIR/build}"
: "${WAKEGATE:=$TOP_BUILDDIR/wakegate}"
: "${FAKE_GATEWAY:=$TOP_BUILDDIR/tests/fake/gateway}"
: "${SCRIPTED:=$TOP_BUILDDIR/tests/fake/scripted}"
: "${HANGFS:=$TOP_BUILDDIR/tests/fake/hangfs}"
: "${WSCLIENT:=$TOP_BUILDDIR/tests/fake/wsclient}"
WRAPPER=$TOP_SRCDIR/tests/fake/wrapper.sh
LIGHTTPD=$(PATH=$PATH:/usr/sbin:/sbin command -v lighttpd || true)
NGINX=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx || true)
APACHE=$(PATH=$PATH:/usr/sbin:/sbin command -v apache2 || true)

fail() {
	printf '%s\n' "$*" >&2
	return 1
}

now_ms() {
	local now=$EPOCHREALTIME

	printf '%s' $((${now/./} / 1000))
}

# eventually SECONDS COMMAND...: until it succeeds.
eventually() {
	local end=$(($(now_ms) + $1 * 1000))

	shift
	until "$@"; do
		if (($(now_ms) > end)); then
			# we may have been held up since the last look
			! "$@" || return 0
			fail "not within the time: $*"
			return 1
		fi
		sleep 0.03
	done
}

never() {
	! "$@"
}

# --- ports: below the ephemeral range, never given to two tests at once -------

port_open() {
	(exec 9<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

port_closed() {
	! port_open "$1"
}

# Gives a free port in $REPLY.
take_port() {
	local counter=${TMPDIR:-/tmp}/wakegate-test-port.$UID
	local port

	exec 8>>"$counter.lock"
	flock 8
	port=$(cat "$counter" 2>/dev/null || echo 20100)
	while :; do
		port=$((port + 1))
		((port < 32000)) || port=20101
		if port_closed "$port"; then break; fi
	done
	echo "$port" >"$counter"
	exec 8>&-
	REPLY=$port
}

# --- a test's world ----------------------------------------------------------

setup() {
	ulimit -c 0
	RUN=$BATS_TEST_TMPDIR/run
	STATE=$RUN/state
	STARTS=$RUN/starts
	DELIVERIES=$RUN/deliveries
	CONFIG=$RUN/wakegate.json
	mkdir -p "$RUN/empty"
	: >"$STARTS"
	AS=()
	ENTER=()
	FLAGS=()
	COMMAND=("$FAKE_GATEWAY")
	BACKGROUND=()
	SERVERS=()
	code='' body='' REPLY='' WEB_PORT='' STANDBY='' SERVE=''
	take_port
	GATEWAY_PORT=$REPLY
	GATEWAY_ADDRESS=127.0.0.1:$GATEWAY_PORT
	GATEWAY_URL=http://$GATEWAY_ADDRESS
	export WAKEGATE_CONFIG=$CONFIG
	export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:abort_on_error=1}
	if declare -F own_setup >/dev/null; then own_setup; fi
}

teardown() {
	local failed=0

	if declare -F own_teardown >/dev/null; then own_teardown || failed=1; fi
	stop_all || failed=1
	if ((failed)) || [ -z "${BATS_TEST_COMPLETED:-}" ]; then show_logs; fi
	return "$failed"
}

# Root's Apache answers as www-data: then the gateway and the commands are that
# user's as well.
become_www_data() {
	local folder=$RUN

	((EUID == 0)) || return 0
	AS=(setpriv --reuid=www-data --regid=www-data --clear-groups)
	chown -R www-data:www-data "$RUN"
	while [ "$folder" != /tmp ] && [ "$folder" != / ]; do
		chmod a+x "$folder"
		folder=${folder%/*}
		folder=${folder:-/}
	done
}

# write_config [JQ FILTER]: the fake gateway as `fake`, then what the filter
# changes.
write_config() {
	jq -n --arg state "$STATE" --arg address "$GATEWAY_ADDRESS" \
		--arg run "$RUN" '{
		state_dir: $state, log_level: "debug",
		gateways: { fake: {
			address: $address, command: $ARGS.positional,
			directory: $run, forwarded: "none",
			probe: { path: "/startupz", body_has: "\"ok\":true",
				interval_ms: 20, timeout_ms: 1000 },
			start_timeout_s: 20, wait_s: 15, stop_timeout_s: 2,
			response_timeout_s: 20, loading_page: true
		} } } | '"${1:-.}" \
		--args -- "${COMMAND[@]}" --listen "$GATEWAY_ADDRESS" \
		--starts "$STARTS" --deliveries "$DELIVERIES" \
		"${FLAGS[@]}" >"$CONFIG.new"
	if ((${#AS[@]})); then chown www-data:www-data "$CONFIG.new"; fi
	mv "$CONFIG.new" "$CONFIG"
}

# A command of wakegate; to hang or to die by a signal is never a result.
wg() {
	local result=0

	"${AS[@]}" timeout 60 "$WAKEGATE" -c "$CONFIG" "$@" 3>&- || result=$?
	((result < 124)) || fail "wakegate $*: hung or died, $result"
	return "$result"
}

# Never makes the file: what looks for a row before there is one makes none.
query() {
	"${AS[@]}" sqlite3 -cmd '.timeout 5000' "file:$STATE/wakegate.db?mode=rw" "$1"
}

# What lies beside it first: what is made anew meanwhile keeps its own.
delete_database() {
	rm -f "$STATE"/wakegate.db-*
	rm -f "$STATE/wakegate.db"
}

row() {
	query "SELECT $1 FROM gateway WHERE name = '${2:-fake}'"
}

row_is() {
	[ "$(row "$1")" = "$2" ]
}

events_of() {
	query "SELECT count(*) FROM event WHERE kind = '$1'"
}

gateway_starts() {
	wc -l <"$STARTS"
}

# --- servers -----------------------------------------------------------------

# background COMMAND...: ended with the test; its pid is in $!.
background() {
	"$@" >>"$RUN/background.log" 2>&1 3>&- &
	BACKGROUND+=($!)
}

fill_in() {
	sed -e "s|@RUN@|$RUN|g" -e "s|@WAKEGATE@|$WAKEGATE|g" \
		-e "s|@CONFIG@|$CONFIG|g" -e "s|@PORT@|$WEB_PORT|g" \
		-e "s|@GATEWAY@|$GATEWAY_ADDRESS|g" -e "s|@STANDBY@|$STANDBY|g" \
		-e "s|@GATEWAY_HOST@|127.0.0.1|g" \
		-e "s|@GATEWAY_PORT@|$GATEWAY_PORT|g" \
		"$TOP_SRCDIR/conf/$1" >"$RUN/$1"
}

start_server() {
	local log=$1

	shift
	"${ENTER[@]}" "$@" >>"$log" 2>&1 3>&- &
	SERVERS+=($!)
	eventually 10 port_open "$WEB_PORT"
	URL=http://127.0.0.1:$WEB_PORT
}

# start_lighttpd [CONF FILE]
start_lighttpd() {
	[ -n "$LIGHTTPD" ] || fail "lighttpd is missing"
	take_port
	WEB_PORT=$REPLY
	fill_in "${1:-lighttpd.conf}"
	start_server "$RUN/server.log" "$LIGHTTPD" -D \
		-f "$RUN/${1:-lighttpd.conf}"
}

start_lighttpd_cgi() {
	start_lighttpd lighttpd-cgi.conf
}

# start_lighttpd_tls [CONF FILE]: with a certificate that it signs itself.
start_lighttpd_tls() {
	local conf=${1:-lighttpd.conf}

	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$RUN/key.pem" \
		-out "$RUN/cert.pem" -days 2 -subj /CN=localhost \
		-addext subjectAltName=IP:127.0.0.1 2>>"$RUN/openssl.log"
	cat "$RUN/key.pem" "$RUN/cert.pem" >"$RUN/both.pem"
	take_port
	WEB_PORT=$REPLY
	fill_in "$conf"
	cat >>"$RUN/$conf" <<-END
		server.modules += ( "mod_openssl" )
		ssl.engine = "enable"
		ssl.pemfile = "$RUN/both.pem"
	END
	start_server "$RUN/server.log" "$LIGHTTPD" -D -f "$RUN/$conf"
}

# start_apache [CONF FILE]
start_apache() {
	[ -n "$APACHE" ] || fail "apache2 is missing"
	take_port
	WEB_PORT=$REPLY
	fill_in "${1:-apache-fcgid.conf}"
	become_www_data
	start_server "$RUN/server.log" "$APACHE" -D FOREGROUND \
		-f "$RUN/${1:-apache-fcgid.conf}"
}

start_apache_cgi() {
	start_apache apache-cgi.conf
}

# serve ADDRESS [OPTIONS]: `wakegate serve`; its pid is in $SERVE.
serve() {
	local address=$1

	shift
	background "${AS[@]}" "$WAKEGATE" -c "$CONFIG" serve \
		--listen "$address" "$@"
	SERVE=$!
	eventually 10 serve_listens "$address"
}

# Who has only begun does not hear SIGTERM yet.
hears_term() {
	local caught

	caught=$(awk '/^SigCgt/ { print $2 }' "/proc/$1/status" 2>/dev/null) &&
		((0x$caught & 0x4000))
}

serve_listens() {
	case $1 in
	*/*) test -S "$1" ;;
	*) port_open "${1##*:}" ;;
	esac
}

# start_nginx [CONF FILE]: with a `wakegate serve` behind it.
start_nginx() {
	[ -n "$NGINX" ] || fail "nginx is missing"
	take_port
	WEB_PORT=$REPLY
	fill_in "${1:-nginx.conf}"
	fill_in nginx-websocket.conf
	become_www_data
	serve "$RUN/wakegate.sock"
	start_server "$RUN/server.log" "$NGINX" -c "$RUN/${1:-nginx.conf}"
}

start_nginx_fast() {
	start_nginx nginx-fast.conf
}

start_apache_proxy_fcgi() {
	become_www_data
	serve "$RUN/wakegate.sock"
	start_apache apache-proxy-fcgi.conf
}

start_apache_fast() {
	take_port
	STANDBY=$REPLY
	become_www_data
	serve "$RUN/wakegate.sock"
	start_apache apache-fast.conf
}

# A web server by name: lighttpd apache lighttpd_cgi apache_cgi nginx nginx_fast
# apache_proxy_fcgi apache_fast.
start_web() {
	"start_$1"
}

# Takes the web server away and leaves the gateway.
stop_servers() {
	local pid

	for pid in "${SERVERS[@]}"; do
		kill -TERM "$pid" 2>/dev/null || true
		eventually 10 gone "$pid" || kill -KILL "$pid"
		wait "$pid" 2>/dev/null || true
	done
	SERVERS=()
}

# The fake gateway, started by hand, with FLAGS.
start_by_hand() {
	background "${AS[@]}" "${COMMAND[@]}" --listen "$GATEWAY_ADDRESS" \
		--starts "$STARTS" --deliveries "$DELIVERIES" "${FLAGS[@]}"
	eventually 10 port_open "$GATEWAY_PORT"
}

# --- requests ----------------------------------------------------------------

# get PATH [CURL OPTIONS]: the status in $code, the content in $body (text), the
# whole in $RUN/body, the head in $RUN/head, curl's exit code in $curl_code.
get() {
	local path=$1

	shift
	curl_code=0
	code=$(curl -sS --max-time 60 --path-as-is -o "$RUN/body" \
		-D "$RUN/head" -w '%{http_code}' "$@" "$URL$path") ||
		curl_code=$?
	body=$(head -c 65536 "$RUN/body" 2>/dev/null | tr -d '\0')
}

# A field of the last answer's head.
header() {
	sed -n "s/^$1: *//Ip" "$RUN/head" | tr -d '\r'
}

# A member of the last answer's JSON.
json() {
	jq -r "$1" "$RUN/body"
}

# many N PATH: N requests at once; prints how often each status came, "200 100".
many() {
	curl -sS -Z --parallel-immediate --parallel-max "$1" --max-time 90 \
		-o /dev/null -w '%{http_code}\n' "$URL$2?[1-$1]" 2>>"$RUN/curl.log" |
		sort | uniq -c | awk '{ print $2, $1 }'
}

# ws FLAGS... ACTION...: WebSocket clients; prints how many had which result. See
# tests/fake/wsclient.c.
ws() {
	timeout 100 "$WSCLIENT" --connect "127.0.0.1:$WEB_PORT" "$@" 3>&-
}

# tls_ws h1|h2 PATH CODE [NAME=VALUE]: one over TLS; see tests/fake/wsclient.mjs.
tls_ws() {
	local how=$1

	shift
	timeout 60 node "$TOP_SRCDIR/tests/fake/wsclient.mjs" "$how" \
		"127.0.0.1:$WEB_PORT" "$RUN/cert.pem" "$@" 3>&-
}

# Those that workers have, of any kind.
gateway_connections() {
	ss -Htn state established "( dport = :$GATEWAY_PORT )" | wc -l
}

gateway_connections_are() {
	[ "$(gateway_connections)" -eq "$1" ]
}

# Prints how late the latest of 20 events was, in ms. (A shell would measure its
# own pace.)
events_lag() {
	# shellcheck disable=SC2016  # perl expands it
	curl -sN --max-time 20 "$URL/sse?n=20&ms=50" |
		perl -MTime::HiRes=time -ne '
			next unless /^data: (\d+)/;
			my $lag = time * 1000 - $1;
			$worst = $lag if $lag > $worst;
			$count++;
			END { die "$count events\n" if $count != 20;
				printf "%d\n", $worst }'
}

# cgi METHOD TARGET [NAME=VALUE...]: wakegate as a CGI program; its answer goes to
# $RUN/cgi, its exit code to $cgi_code, standard input is the body.
cgi() {
	local method=$1 target=$2

	shift 2
	cgi_code=0
	cgi_run "$method" "$target" "$@" >"$RUN/cgi" 2>>"$RUN/cgi.log" ||
		cgi_code=$?
	code=$(sed -n '1,/^\r*$/s/^Status: *\([0-9]*\).*/\1/Ip' "$RUN/cgi" |
		head -n 1)
	((cgi_code < 124)) || fail "wakegate as CGI hung or died: $cgi_code"
}

cgi_run() {
	local method=$1 target=$2

	shift 2
	env -i GATEWAY_INTERFACE=CGI/1.1 SERVER_PROTOCOL=HTTP/1.1 \
		SERVER_NAME=localhost SERVER_PORT=80 SERVER_SOFTWARE=test \
		REMOTE_ADDR=127.0.0.1 SCRIPT_NAME='' \
		REQUEST_METHOD="$method" REQUEST_URI="$target" \
		PATH_INFO="${target%%\?*}" QUERY_STRING='' \
		HTTP_HOST=localhost ASAN_OPTIONS="$ASAN_OPTIONS" \
		WAKEGATE_CONFIG="$CONFIG" "$@" "${AS[@]}" timeout 60 \
		"$WAKEGATE" 3>&-
}

# --- the end -----------------------------------------------------------------

# A zombie has gone: who has not yet read its exit status is not our matter.
gone() {
	local stat

	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	[[ ${stat##*) } == Z* ]]
}

alive() {
	! gone "$1"
}

# Pids of this test's workers: FastCGI and CGI processes, not keepers.
our_workers() {
	local pid program

	program=$(readlink -f "$WAKEGATE")
	grep -lsaF -- "WAKEGATE_CONFIG=$CONFIG" /proc/[0-9]*/environ 2>/dev/null |
		cut -d / -f 3 | while read -r pid; do
		if [ "$(readlink "/proc/$pid/exe")" = "$program" ] &&
			! grep -qsaxz keep "/proc/$pid/cmdline"; then
			echo "$pid"
		fi
	done || true
}

no_workers() {
	[ -z "$(our_workers)" ]
}

# Pids of what this test started and what still lives.
leftovers() {
	local id='' pid own=$BASHPID

	if [ -f "$STATE/wakegate.id" ]; then id=$(<"$STATE/wakegate.id"); fi
	{
		our_workers | sed 's|^|/proc/|'
		grep -lsaF -- "WAKEGATE_INSTANCE=${id:-none}/" \
			/proc/[0-9]*/environ
		grep -lsaF -- "$RUN/" /proc/[0-9]*/cmdline
	} 2>/dev/null | cut -d / -f 3 | sort -un | while read -r pid; do
		if [ "$pid" != "$own" ] && alive "$pid" &&
			! is_ours "$pid"; then
			echo "$pid"
		fi
	done || true
}

# grep and its like of leftovers() itself, and the bats that runs us.
is_ours() {
	local name

	{ read -r name <"/proc/$1/comm"; } 2>/dev/null || return 0
	[[ $name == grep || $name == bats* || $name == bash ]]
}

nothing_left() {
	[ -z "$(leftovers)" ]
}

stop_gateways() {
	local name

	[ -f "$CONFIG" ] || return 0
	[ -e "$STATE/wakegate.id" ] || return 0
	for name in $(jq -r '.gateways | keys[]' "$CONFIG" 2>/dev/null); do
		wg stop "$name" >>"$RUN/stop.log" 2>&1 || true
	done
}

no_sanitizer_report() {
	! grep -rlE '(Address|Leak|Thread)Sanitizer:|runtime error:' \
		"$RUN" --include='*log*' --include=cgi 2>/dev/null
}

no_death_by_signal() {
	! grep -rE '(killed by signal|unexpected signal|child signalled).*\b(4|6|7|8|11)\b' \
		"$RUN"/*.log 2>/dev/null
}

stop_all() {
	local pid failed=0

	for pid in "${BACKGROUND[@]}"; do
		kill -CONT "$pid" 2>/dev/null || true
		kill -TERM "$pid" 2>/dev/null || true
	done
	stop_servers
	stop_gateways
	for pid in "${BACKGROUND[@]}"; do
		eventually 3 gone "$pid" 2>/dev/null ||
			kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	if ! eventually 8 nothing_left; then
		failed=1
		for pid in $(leftovers); do
			echo "left: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline")"
			kill -KILL "$pid" 2>/dev/null || true
		done
	fi
	no_sanitizer_report || failed=1
	no_death_by_signal || failed=1
	return "$failed"
}

show_logs() {
	local log

	for log in "$RUN"/*.log "$STATE"/*.log; do
		[ -s "$log" ] || continue
		echo "--- ${log##*/}"
		tail -n 40 "$log"
	done
	if [ -f "$STATE/wakegate.db" ]; then
		echo "--- status, events"
		query 'SELECT * FROM status' || true
		query 'SELECT id, kind, generation, pid, detail FROM event
			ORDER BY id DESC LIMIT 25' || true
	fi
}
