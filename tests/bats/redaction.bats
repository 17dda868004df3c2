#!/usr/bin/env bats
# No secret is ever seen: tests/redaction.tsv has 200 of them, planted here in the
# gateway's output, in requests and in the configuration.

load helper

CORPUS=$TOP_SRCDIR/tests/redaction.tsv
HINT=Pl4nt # is in each of them

own_setup() {
	SEEN=$RUN/seen
	mkdir -p "$SEEN" "$RUN/files"
	ALL=0
}

texts() {
	sed -n "s/^$1	//p" "$CORPUS"
}

# keep NAME: what has just been answered.
keep() {
	ALL=$((ALL + 1))
	cat "$RUN/head" "$RUN/body" >"$SEEN/$ALL.$1" 2>/dev/null || true
}

# said NAME COMMAND [ARGUMENTS]: what a command of ours says.
said() {
	local name=$1

	shift
	wg "$@" >"$SEEN/$name" 2>&1 || true
	[ -s "$SEEN/$name" ] || fail "$* says nothing"
}

in_file() {
	(umask 077 && printf '%s\n' "$2" >"$RUN/files/$1")
}

# What the configuration gets of the corpus, as a filter for jq in $REPLY.
plant() {
	local name value

	REPLY='.'
	while IFS='=' read -r name value; do
		REPLY+=" | .gateways.fake.environment[\"$name\"] = \"$value\""
	done < <(texts env)
	while IFS='=' read -r name value; do
		in_file "$name" "$value"
		REPLY+=" | .gateways.fake.environment[\"$name\"] =
			{file: \"$RUN/files/$name\"}"
	done < <(texts envfile)
	while IFS='=' read -r name value; do
		in_file "$name" "$value"
		REPLY+=" | .gateways.fake.set_headers[\"$name\"] =
			{file: \"$RUN/files/$name\"}"
	done < <(texts set)
	in_file admin.token "Pl4ntadmin0123456789abcdef0123456789"
	REPLY+=" | .admin = {users: [\"alice\"],
		token_file: \"$RUN/files/admin.token\"}
		| .gateways.fake.show_output = \"anyone\""
}

# The gateway prints these lines, and then, also what it was given: its command,
# environment and the files of its secrets. write_gateway [FLAGS]
write_gateway() {
	cat >"$RUN/gateway.sh" <<-END
		#!/bin/sh
		cat "$RUN/lines"
		env
		echo "\$@"
		cat "$RUN"/files/*
		exec "$FAKE_GATEWAY" $* "\$@"
	END
	chmod +x "$RUN/gateway.sh"
	COMMAND=("$RUN/gateway.sh")
}

# see NAME TARGET: what an administrator gets there.
see() {
	cgi GET "$2" REMOTE_USER=alice HTTP_ACCEPT=text/html
	[ "$code" = 200 ] || fail "$2: $code"
	cp "$RUN/cgi" "$SEEN/$1"
}

# Nothing but what is not ours to look after: the gateway's own raw output and
# records, and what this test has written itself.
look_everywhere() {
	local found

	found=$(grep -rlaF -- "$HINT" "$RUN" | grep -vF -e "$RUN/lines" \
		-e "$RUN/files/" -e "$CONFIG" -e "$STATE/fake.log" \
		-e "$RUN/gateway.sh" -e "$RUN/deliveries" -e "$RUN/cgi.env" \
		-e "$RUN/known" || true)
	[ -z "$found" ] || fail "$(for one in $found; do
		echo "$one:"
		grep -aoF -m 3 -- "$HINT" "$one"
		grep -ao ".\{0,60\}$HINT.\{0,30\}" "$one" | head -n 5
	done)"
}

@test "the corpus has 200 secrets, each with a number of its own" {
	[ "$(grep -o 'Pl4nt[0-9][0-9][0-9]' "$CORPUS" | sort -u | wc -l)" -ge 200 ]
	[ "$(grep -o 'Pl4nt[0-9][0-9][0-9]' "$CORPUS" | sort | uniq -d)" = "" ]
}

@test "what the gateway prints of secrets is in no page, answer, log, event or file" {
	local from count

	plant
	write_gateway --exit-before-listen 78
	texts out >"$RUN/known"
	count=$(wc -l <"$RUN/known")
	: >"$RUN/lines"
	write_config "$REPLY"
	start_lighttpd
	for ((from = 1; from <= count; from += 25)); do
		sed -n "$from,$((from + 24))p" "$RUN/known" >"$RUN/lines"
		# few at a time: the row has the end of the output
		sed -i '/^env$/d; /^cat .*files/d' "$RUN/gateway.sh"
		wg reset
		wg start >>"$SEEN/start" 2>&1 && fail "it has started"
		get / -H 'Accept: text/html'
		keep page
		[[ $body == *'[redacted]'* ]] || fail "$body"
		get /pid
		keep problem
		get /api/status
		keep status
		get '/api/status?page=1'
		keep parts
		[[ $body == *'[redacted]'* ]] || fail "$body"
		see "panel$from" /_admin/
		sed -n '/id="output"/,$p' "$RUN/cgi" | grep -q '\[redacted\]'
		see "ask$from" '/_admin/confirm?do=stop'
		said "status$from" status
		said "json$from" status --json
	done
	cgi GET /api/admin/gateway REMOTE_USER=alice
	cp "$RUN/cgi" "$SEEN/gateway"
	cgi GET '/api/admin/log?lines=1000' REMOTE_USER=alice
	cp "$RUN/cgi" "$SEEN/lines.json"
	grep -q '\[redacted\]' "$SEEN/lines.json"
	cgi GET /api/admin/events REMOTE_USER=alice
	cp "$RUN/cgi" "$SEEN/events.json"
	said log log -n 100000
	said events events -n 100000
	grep -q '\[redacted\]' "$SEEN/log"
	rm -f "$RUN/lines" "$RUN/known"
	[ "$(grep -cF "$HINT" "$STATE/fake.log")" -ge 100 ]
	look_everywhere
}

@test "what is in the configuration and its files is told by nobody" {
	local problem words

	plant
	write_gateway
	: >"$RUN/lines"
	write_config "$REPLY"
	mapfile -t words < <(texts word | tr '\t' '\n')
	jq '.gateways.fake.command += $ARGS.positional' --args -- \
		"${words[@]}" <"$CONFIG" >"$RUN/c"
	mv "$RUN/c" "$CONFIG"
	# the fake one knows no such options: it gets none of them
	sed -i 's/"\$@"$/--listen "$2"/' "$RUN/gateway.sh"
	start_lighttpd
	get /pid
	[ "$code" = 200 ] || fail "$body"
	wg stop
	sed -i 's/^exec.*/exit 78/' "$RUN/gateway.sh"
	get /pid
	keep problem
	get / -H 'Accept: text/html'
	keep page
	[[ $body == *'[redacted]'* ]] || fail "$body"
	get '/api/status?page=1'
	keep parts
	see panel /_admin/
	see ask '/_admin/confirm?do=stop'
	said check check
	said status status
	said json status --json
	said log log -n 1000
	said events events -n 1000
	for problem in gateway events 'log?lines=1000' storage metrics; do
		cgi GET "/api/admin/$problem" REMOTE_USER=alice
		[ "$code" = 200 ] || fail "$problem: $code"
		cp "$RUN/cgi" "$SEEN/${problem%\?*}"
	done
	# a configuration that is wrong, right beside its secrets
	jq '.gateways.fake.environment.BAD = 7' "$CONFIG" >"$RUN/c"
	mv "$RUN/c" "$CONFIG"
	sleep 0.7
	get /api/status
	keep status
	wg check >"$SEEN/check2" 2>&1 && fail "it is a good one"
	sed 's/"BAD": 7/"BAD" 7/' "$CONFIG" >"$RUN/c"
	mv "$RUN/c" "$CONFIG"
	wg check >"$SEEN/check3" 2>&1 && fail "it is a good one"
	rm -f "$RUN/lines"
	[ "$(grep -cF "$HINT" "$STATE/fake.log")" -ge 15 ]
	look_everywhere
}

@test "what a request carries is in no log, event, explanation, metric or page" {
	local target field name fields=() id i=0

	write_config '.admin.users = ["alice"] | .log_level = "debug"'
	start_lighttpd
	while read -r field; do
		fields+=(-H "$field")
	done < <(texts header | grep -v -i '^\(cookie\|x-request-id\|authorization: basic\)')
	while read -r target; do
		i=$((i + 1))
		case $((i % 5)) in
		1) wg stop ;; # it waits
		2) kill -KILL "$(row pid)" ;; # it sees that
		3) wg stop --hold ;; # it is refused
		4) wg start ;;
		esac
		get "$target" "${fields[@]}" -H "$(texts header | sed -n "$((i % 16 + 1))p")"
		keep any
		id=$(header X-Request-Id)
		get "$target" "${fields[@]}" -H 'Accept: text/html'
		keep html
		if [ -n "$id" ]; then
			wg explain "$id" >>"$SEEN/explained" 2>&1 || true
			cgi GET "/api/admin/explain/$id" REMOTE_USER=alice
			[ "$code" != 200 ] || cat "$RUN/cgi" >>"$SEEN/explained.api"
		fi
	done < <(texts query)
	wg start
	get "/crash?token=$HINT"
	keep crash
	get "/api/admin/gateway?token=$HINT" -H "Authorization: Bearer $HINT"
	[ "$code" = 401 ]
	keep admin
	get "/api/admin/explain/$HINT" -H "Authorization: Bearer $HINT"
	keep admin
	get "/api/admin/$HINT" -X POST -d "{\"token\":\"$HINT\"}"
	keep admin
	cgi GET "/api/admin/explain/$HINT" REMOTE_USER=alice
	cp "$RUN/cgi" "$SEEN/explain"
	see panel "/_admin/?token=$HINT"
	see ask "/_admin/confirm?do=stop&token=$HINT"
	get "/api/status?page=1&token=$HINT"
	keep status
	cgi GET /api/admin/metrics REMOTE_USER=alice
	cp "$RUN/cgi" "$SEEN/metrics"
	cgi GET "/pid?key=$HINT" HTTP_COOKIE="a=$HINT" SERVER_SOFTWARE="$HINT"
	cp "$RUN/cgi" "$SEEN/cgi"
	cgi GET "/ bad $HINT" "HTTP_BAD HEADER=$HINT"
	cp "$RUN/cgi" "$SEEN/bad"
	said events events -n 100000
	[ -s "$SEEN/explained" ]
	[ "$(grep -c '^Status: 200' "$SEEN/explained.api")" -ge 5 ]
	sleep 2.5 # what is counted is written by then
	# the fake gateway's pages repeat what it got: they are its own
	grep -lF "$HINT" "$SEEN"/*.any "$SEEN"/*.html 2>/dev/null | while read -r name; do
		grep -q '^Server: fake' "$name" && rm -f "$name"
	done
	rm -f "$RUN/body" "$RUN/cgi"
	look_everywhere
}
