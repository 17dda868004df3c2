#!/usr/bin/env bats
# What Prometheus reads, and the dashboard and the alerts that are made of it.

load helper

PROMTOOL=$(command -v promtool || true)

own_setup() {
	TOKEN=0123456789abcdef0123456789abcdef
	BEARER=(-H "Authorization: Bearer $TOKEN")
	put_token
}

put_token() {
	(umask 077 && echo "$TOKEN" >"$RUN/token")
}

# write_watched [JQ FILTER]: a configuration whose administrator has a token.
write_watched() {
	write_config '.admin.token_file = (.gateways.fake.directory + "/token")
		| '"${1:-.}"
}

metrics() {
	get /api/admin/metrics "${BEARER[@]}"
	[ "$code" = 200 ] || fail "$code $body"
}

# metric NAME{LABELS}: its value now, in $REPLY; the gateway is fake.
metric() {
	local name=$1

	metrics
	[[ $name == *"{"* ]] || name+="{}"
	name=${name/\{/\{gateway=\"fake\",}
	name=${name/,\}/\}}
	REPLY=$(awk -v name="$name" 'substr($0, 1, length(name)) == name &&
		substr($0, length(name) + 1, 1) == " " { print $2 }' \
		"$RUN/body")
}

is() {
	metric "$1"
	[ "$REPLY" = "$2" ]
}

# metric VALUE: within the time of a flush.
becomes() {
	eventually 8 is "$1" "$2" || fail "$1 is '$REPLY', not $2"
}

promtool_accepts() {
	[ -n "$PROMTOOL" ] || fail "promtool is missing"
	metrics
	"$PROMTOOL" check metrics <"$RUN/body" >"$RUN/promtool" 2>&1 ||
		fail "$(cat "$RUN/promtool")"
	[ ! -s "$RUN/promtool" ] || fail "$(cat "$RUN/promtool")"
}

@test "promtool accepts the metrics, of a gateway that never ran and of one that has" {
	write_watched
	start_lighttpd
	promtool_accepts
	[[ $(header Content-Type) == 'text/plain; version=0.0.4'* ]]
	[ "$(gateway_starts)" -eq 0 ]
	get /pid
	get /crash
	promtool_accepts
}

@test "state, generation and starts are told, and how long starts took" {
	FLAGS=(--boot-ms 300)
	write_watched
	start_lighttpd
	is 'wakegate_gateway_state{state="stopped"}' 1
	get /pid
	is 'wakegate_gateway_state{state="ready"}' 1
	is 'wakegate_gateway_state{state="stopped"}' 0
	is wakegate_gateway_generation 1
	becomes 'wakegate_starts_total{outcome="ready"}' 1
	is 'wakegate_start_seconds_bucket{le="0.250"}' 0
	is 'wakegate_start_seconds_bucket{le="+Inf"}' 1
	is wakegate_start_seconds_count 1
	metric wakegate_start_seconds_sum
	[[ $REPLY =~ ^[0-9]+\.[0-9]{3}$ && $REPLY != 0.0* ]] || fail "$REPLY"
}

@test "requests are counted by the class of their answer, those to us are not" {
	write_watched
	start_lighttpd
	for _ in {1..7}; do get /pid; done
	get /none
	get /api/status
	get /api/admin/gateway "${BEARER[@]}"
	becomes 'wakegate_requests_total{code="2xx"}' 7
	becomes 'wakegate_requests_total{code="4xx"}' 1
	is 'wakegate_requests_total{code="5xx"}' 0
}

@test "crashes, retries and refusals are counted, each as what it was" {
	write_watched
	start_lighttpd
	get /pid
	get '/count?die=first'
	[ "$code" = 200 ]
	becomes wakegate_crashes_total 1
	becomes 'wakegate_retries_total{outcome="ok"}' 1
	get /crash
	[ "$code" = 503 ]
	becomes 'wakegate_retries_total{outcome="failed"}' 1
	becomes 'wakegate_refusals_total{problem="crashed"}' 1
	becomes 'wakegate_requests_total{code="5xx"}' 1
	get /api/admin/gateway
	becomes 'wakegate_refusals_total{problem="unauthorized"}' 1
}

@test "starts that fail are counted by how" {
	FLAGS=(--exit-before-listen 78)
	write_watched
	start_lighttpd
	get /pid
	becomes 'wakegate_starts_total{outcome="exited"}' 1
	is 'wakegate_starts_total{outcome="ready"}' 0
	is 'wakegate_gateway_failures' 1
	becomes 'wakegate_refusals_total{problem="failed"}' 1
	is wakegate_crashes_total 0
}

@test "those that wait are counted while they do" {
	FLAGS=(--boot-ms 8000)
	write_watched
	start_lighttpd
	for _ in {1..5}; do
		background curl -s -o /dev/null "$URL/pid"
	done
	becomes wakegate_requests_waiting 5
	eventually 15 row_is state ready
	becomes wakegate_requests_waiting 0
}

@test "counters outlive the workers that counted" {
	write_watched
	start_lighttpd
	for _ in {1..5}; do get /pid; done
	stop_servers
	start_lighttpd
	for _ in {1..5}; do get /pid; done
	becomes 'wakegate_requests_total{code="2xx"}' 10
}

@test "a database that was deleted costs what it held, and counting goes on" {
	write_watched
	start_lighttpd
	get /pid
	becomes 'wakegate_requests_total{code="2xx"}' 1
	delete_database
	sleep 0.2
	get /pid
	get /pid
	becomes 'wakegate_requests_total{code="2xx"}' 2
}

@test "under CGI each process counts its one" {
	write_watched
	for _ in {1..6}; do
		cgi GET /pid
		[ "$code" = 200 ]
	done
	start_lighttpd
	is 'wakegate_requests_total{code="2xx"}' 6
}

written() {
	query "SELECT coalesce(sum(value), 0) FROM counter
		WHERE name = 'requests'"
}

@test "counts are written in batches: many requests, few values in the store" {
	local seen=0 last='' now begin

	write_watched
	start_lighttpd
	get /pid
	begin=$(now_ms)
	for _ in {1..60}; do
		get /pid
		now=$(written)
		[ "$now" = "$last" ] || seen=$((seen + 1))
		last=$now
	done
	((seen <= 4 + ($(now_ms) - begin) / 1000)) ||
		fail "$seen values of 60 in $(($(now_ms) - begin)) ms"
	becomes 'wakegate_requests_total{code="2xx"}' 61
}

@test "what CGI processes count is in a file until somebody reads it, and lost by none" {
	local i pids=()

	write_watched
	wg start
	for i in {1..12}; do
		cgi_run GET /pid >/dev/null 2>&1 &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$(wc -l <"$STATE/wakegate.counts")" -eq 12 ]
	[ "$(written)" -eq 0 ]
	start_lighttpd
	is 'wakegate_requests_total{code="2xx"}' 12
	[ ! -s "$STATE/wakegate.counts" ]
	# cut off by a full disk, or by anything else
	printf 'fake requests 2xx 5\nfake requ\n\nfake requests 2xx -7\nx' \
		>>"$STATE/wakegate.counts"
	is 'wakegate_requests_total{code="2xx"}' 17
	# a large one is emptied by the next that counts
	yes 'fake requests 2xx 1' | head -n 4000 >>"$STATE/wakegate.counts"
	cgi GET /pid
	[ ! -s "$STATE/wakegate.counts" ]
	[ "$(written)" -eq $((17 + 4001)) ]
}

@test "snapshots and restores: how many, how long, how large, and the newest's age" {
	mkdir -p "$RUN/data" "$RUN/backups"
	echo something >"$RUN/data/file"
	write_watched ".gateways.fake.backup = {directory: \"$RUN/data\",
		to: \"$RUN/backups\", every_s: 0, on_stop: false}"
	start_lighttpd
	metric wakegate_snapshot_age_seconds
	[ -z "$REPLY" ]
	wg start
	wg backup --force
	wg restore
	is 'wakegate_backups_total{outcome="ok"}' 1
	is 'wakegate_restores_total{outcome="ok"}' 1
	is wakegate_backup_seconds_count 1
	is wakegate_restore_seconds_count 1
	metric wakegate_backup_bytes_total
	((REPLY > 0))
	metric wakegate_snapshot_bytes
	((REPLY > 0))
	metric wakegate_snapshot_age_seconds
	[[ $REPLY =~ ^[0-9]+\.[0-9]{3}$ ]] || fail "$REPLY"
	promtool_accepts
}

@test "routes.metrics moves them; who may not administer gets them nowhere" {
	write_watched '.gateways.fake.routes.metrics = "/metrics"'
	start_lighttpd
	get /metrics "${BEARER[@]}"
	[ "$code" = 200 ]
	[[ $body == *wakegate_gateway_state* ]]
	get /metrics
	[ "$code" = 401 ]
	get /metrics -H "Authorization: Bearer ${TOKEN}0"
	[ "$code" = 401 ]
	[ "$(gateway_starts)" -eq 0 ]
}

@test "all gateways of the configuration are told, each with its name" {
	take_port
	write_watched ".gateways.other = (.gateways.fake | .mount = \"/other\"
		| .address = \"127.0.0.1:$REPLY\")"
	start_lighttpd
	promtool_accepts
	grep -q 'wakegate_gateway_generation{gateway="other"} 0' "$RUN/body"
	grep -q 'wakegate_gateway_generation{gateway="fake"} 0' "$RUN/body"
}

# --- conf/ ----------------------------------------------------------------------

# Each name of ours in the file is one that we tell.
names_are_known() {
	local name

	write_watched
	start_lighttpd
	metrics
	while read -r name; do
		grep -q "^# TYPE ${name%_bucket} \|^# TYPE ${name%_sum} \|^# TYPE ${name%_count} " \
			"$RUN/body" || fail "$1 has $name, which we don't"
	done < <(grep -o 'wakegate_[a-z_]*' "$1" | sort -u)
}

@test "promtool accepts the alert rules, and they speak of metrics that there are" {
	"$PROMTOOL" check rules "$TOP_SRCDIR/conf/alerts.yml" >"$RUN/rules" 2>&1 ||
		fail "$(cat "$RUN/rules")"
	grep -q 'SUCCESS: [1-9]' "$RUN/rules"
	names_are_known "$TOP_SRCDIR/conf/alerts.yml"
}

@test "alerts are raised for what they are for, and not before" {
	"$PROMTOOL" test rules "$TOP_SRCDIR/tests/alerts.test.yml" \
		>"$RUN/rules" 2>&1 || fail "$(cat "$RUN/rules")"
}

@test "the dashboard is JSON, speaks of metrics that there are, in good queries" {
	local query

	names_are_known "$TOP_SRCDIR/conf/grafana.json"
	jq -e '.title and (.panels | length >= 8)' "$TOP_SRCDIR/conf/grafana.json"
	jq -r '.. | .expr? // empty' "$TOP_SRCDIR/conf/grafana.json" |
		sed 's/\$__rate_interval/5m/g; s/\$gateway/fake/g' >"$RUN/queries"
	while read -r query; do
		jq -n --arg q "$query" '{groups: [{name: "g",
			rules: [{record: "r", expr: $q}]}]}' >"$RUN/query.yml"
		"$PROMTOOL" check rules "$RUN/query.yml" >"$RUN/rules" 2>&1 ||
			fail "$query: $(cat "$RUN/rules")"
	done <"$RUN/queries"
}
