#!/usr/bin/env bats
# WebSockets that the web server itself carries: wakegate, as the authorizer, sees to
# it that the gateway is there.

load helper
load websocket

SERVERS_HERE=(apache nginx_websocket lighttpd_authorizer)

start_lighttpd_authorizer() {
	start_lighttpd lighttpd-authorizer.conf
}

# nginx with a worker of spawn-fcgi.
start_nginx_websocket() {
	local nginx

	nginx=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx) ||
		fail "nginx is missing"
	take_port
	WEB_PORT=$REPLY
	fill_in nginx-websocket.conf
	cat >"$RUN/nginx.conf" <<-END
		pid $RUN/nginx.pid;
		error_log $RUN/nginx.log;
		daemon off;
		user root;
		events { worker_connections 512; }
		http {
			access_log off;
			client_body_temp_path $RUN/nginx-body;
			proxy_temp_path $RUN/nginx-proxy;
			fastcgi_temp_path $RUN/nginx-fastcgi;
			uwsgi_temp_path $RUN/nginx-uwsgi;
			scgi_temp_path $RUN/nginx-scgi;
			server {
				listen 127.0.0.1:$WEB_PORT;
				recursive_error_pages on;
				location / {
					error_page 418 = @websocket;
					if (\$http_upgrade ~* ^websocket\$) {
						return 418;
					}
					include /etc/nginx/fastcgi_params;
					fastcgi_pass unix:$RUN/wakegate.sock;
				}
				include $RUN/nginx-websocket.conf;
			}
		}
	END
	((EUID == 0)) || sed -i '/^user/d' "$RUN/nginx.conf"
	rm -f "$RUN/wakegate.sock"
	background spawn-fcgi -s "$RUN/wakegate.sock" -n -- "$WAKEGATE" \
		-c "$CONFIG"
	eventually 5 test -S "$RUN/wakegate.sock"
	start_server "$RUN/server.log" "$nginx" -c "$RUN/nginx.conf"
}

# each FUNCTION: called with every server, each with a gateway of its own.
each() {
	local server

	for server in "${SERVERS_HERE[@]}"; do
		: >"$STARTS"
		start_web "$server"
		echo "server: $server"
		"$1"
		stop_servers
		wg stop >>"$RUN/stop.log" 2>&1 || true
		wg reset >>"$RUN/stop.log" 2>&1 || true
	done
}

# --- it is there -------------------------------------------------------------

cold() {
	run ws --count 50 echo:100 echo:1000000 fragments:1000 ping close:4000
	is '50 101 closed=4000 gone'
	run ws pipeline:50:1048576 ping close:4000
	is '1 101 closed=4000 gone'
	[ "$(gateway_starts)" -eq 1 ]
}

@test "50 at once to a gateway that does not run: one start, all are connected" {
	FLAGS=(--boot-ms 300)
	write_config
	each cold
}

crash_is_seen() {
	[ "$(query "SELECT count(*) FROM event WHERE kind = 'crash_seen'
		AND generation = $(row generation)")" -gt 0 ]
}

replaced() {
	local keeper

	run ws ping close:1000
	is '1 101 closed=1000 gone'
	keeper=$(row owner_pid)
	kill -STOP "$keeper" # nobody says that it has gone
	kill_gateway
	ws --count 10 ping close:1000 >"$RUN/again" 3>&- &
	eventually 10 crash_is_seen
	kill -CONT "$keeper"
	wait "$!"
	[ "$(<"$RUN/again")" = '10 101 closed=1000 gone' ] || fail "$(<"$RUN/again")"
	[ "$(gateway_starts)" -eq 2 ]
	get /pid
	[ "$code" = 200 ]
}

@test "a gateway that has crashed is replaced before it is connected to" {
	write_config
	each replaced
}

ends() {
	: >"$RUN/up"
	ws --count 5 "mark:$RUN/up" closed >"$RUN/closed" 3>&- &
	eventually 20 lines_are 5 "$RUN/up"
	kill_gateway
	wait "$!"
	[ "$(<"$RUN/closed")" = '5 101 gone' ] || fail "$(<"$RUN/closed")"
	run ws --count 10 'tell:close 4001' closed
	is '10 101 closed=4001 gone'
	[ "$(gateway_starts)" -eq 2 ]
}

@test "the gateway dies: clients see the end, come back, and it is started once" {
	write_config
	each ends
}

deflated() {
	run ws --field 'Sec-WebSocket-Extensions: permessage-deflate' \
		--path '/ws?deflate=1' rsv 'ask:field Sec-WebSocket-Extensions'
	is '1 101 deflate field Sec-WebSocket-Extensions=permessage-deflate'
}

@test "permessage-deflate is the business of the two ends" {
	write_config
	each deflated
}

counted() {
	run ws ping close:1000
	is '1 101 closed=1000 gone'
	[ "$(row 'answered_ms > 0')" = 1 ]
	kill_gateway
	run ws ping close:1000
	is '1 101 closed=1000 gone'
	[ "$(row failures)" = 0 ]
}

@test "what the authorizer lets through counts as answered" {
	write_config
	each counted
}

no_leak() {
	handshake '/ws-refuse'
	[ "$code" = 403 ]
	[ "$body" = refused ] || fail "$body"
	never grep -qi 'variable\|wakegate' "$RUN/head"
}

@test "of the authorizer's answer the client sees nothing" {
	write_config
	each no_leak
}

@test "over TLS and HTTP/2, behind lighttpd's authorizer" {
	write_config
	start_lighttpd_tls lighttpd-authorizer.conf
	run tls_ws h2 /ws 4003 "origin=https://127.0.0.1:$WEB_PORT"
	is '200 echo ping closed=4003 end'
	run tls_ws h2 /ws 4003 origin=https://evil.example
	is 403
	kill_gateway
	run tls_ws h2 /ws 4004
	is '200 echo ping closed=4004 end'
	run tls_ws h1 /ws 4005
	is '101 echo ping closed=4005 end'
	[ "$(gateway_starts)" -eq 2 ]
}

@test "over HTTP/2, behind lighttpd's authorizer, 50 at once to a gateway that does not run: one start, all are connected" {
	h2_crowd lighttpd-authorizer.conf
}

@test "over HTTP/2, behind lighttpd's authorizer: permessage-deflate, a close from the gateway, and its death" {
	h2_ends lighttpd-authorizer.conf
}

# --- it is not ---------------------------------------------------------------

refused() {
	handshake /ws
	[ "$code" = 503 ] || fail "$code $body"
	[ "$(json .code)" = failed ]
	[ "$(json .status)" = 503 ]
	[ "$(header Content-Type)" = application/problem+json ]
	[ "$(header X-Request-Id | wc -l)" -eq 1 ]
	[ "$(header Retry-After)" = 60 ]
}

@test "a gateway that can't be had is a problem" {
	FLAGS=(--exit-before-listen 78)
	write_config
	each refused
}

foreign() {
	handshake /ws -H 'Origin: http://evil.example'
	[ "$code" = 403 ] || fail "$code $body"
	[ "$(json .code)" = forbidden ]
	[ "$(gateway_starts)" -eq 0 ]
	run ws --field "Origin: http://127.0.0.1:$WEB_PORT" ping
	is '1 101'
}

@test "a page of another host may not connect, and starts nothing" {
	write_config
	each foreign
}

# --- the role ----------------------------------------------------------------

@test "a client can't choose the role" {
	write_config
	start_lighttpd
	get /echo -H 'WAKEGATE_ROLE: authorizer' -H 'WAKEGATE-ROLE: refusal' \
		-H 'FCGI_ROLE: AUTHORIZER'
	[ "$code" = 200 ]
	[ "$(json .method)" = GET ]
}

@test "a role that is none is not_configured" {
	write_config
	cgi GET /pid WAKEGATE_ROLE=gatekeeper
	[ "$code" = 500 ]
	grep -q '"not_configured"' "$RUN/cgi"
}

@test "the authorizer wakes nothing for the status and for no_wake" {
	write_config '.gateways.fake.no_wake = ["/favicon.ico"]'
	cgi GET /favicon.ico WAKEGATE_ROLE=authorizer
	[ "$code" = 503 ]
	cgi GET /api/status WAKEGATE_ROLE=authorizer
	[ "$code" = 503 ]
	[ "$(gateway_starts)" -eq 0 ]
	cgi GET /any WAKEGATE_ROLE=authorizer
	[ "$code" = 200 ]
	grep -q '^Variable-WAKEGATE_GATEWAY: fake' "$RUN/cgi"
	cgi GET /favicon.ico WAKEGATE_ROLE=authorizer
	[ "$code" = 200 ]
}

@test "what only wakegate answers is not let through" {
	write_config '.admin = {users: ["alice"]}'
	cgi GET /api/admin/gateway WAKEGATE_ROLE=authorizer REMOTE_USER=alice
	[ "$code" = 403 ]
	cgi GET /_admin/ WAKEGATE_ROLE=authorizer REMOTE_USER=alice
	[ "$code" = 403 ]
}

@test "nobody is let in by a password that nobody has checked" {
	write_config
	cgi GET /any FCGI_ROLE=AUTHORIZER FCGI_APACHE_ROLE=AUTHENTICATOR \
		REMOTE_USER=root REMOTE_PASSWD=guess
	[ "$code" = 401 ]
	[ "$(gateway_starts)" -eq 0 ]
}

# start_apache_authnz: mod_proxy behind mod_authnz_fcgi, with a worker on TCP.
start_apache_authnz() {
	local port

	take_port
	port=$REPLY
	take_port
	WEB_PORT=$REPLY
	become_www_data
	background "${AS[@]}" spawn-fcgi -a 127.0.0.1 -p "$port" -n -- \
		"$WAKEGATE" -c "$CONFIG"
	eventually 5 port_open "$port"
	fill_in apache-fcgid.conf
	sed -i '/^# --- wakegate/,$d' "$RUN/apache-fcgid.conf"
	cat >>"$RUN/apache-fcgid.conf" <<-END
		LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
		LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
		LoadModule authnz_fcgi_module /usr/lib/apache2/modules/mod_authnz_fcgi.so
		AuthnzFcgiDefineProvider authn Wakegate fcgi://127.0.0.1:$port/
		ProxyPass "/" "http://$GATEWAY_ADDRESS/" upgrade=websocket
		<Location "/">
			AuthType Basic
			AuthName wakegate
			AuthnzFcgiCheckAuthnProvider Wakegate Authoritative On \\
				RequireBasicAuth Off \\
				UserExpr "%{reqenv:WAKEGATE_GATEWAY}"
			Require valid-user
		</Location>
	END
	start_server "$RUN/server.log" "$APACHE" -D FOREGROUND \
		-f "$RUN/apache-fcgid.conf"
}

@test "mod_authnz_fcgi: wakes, replaces, and refuses with the problem itself" {
	write_config
	start_apache_authnz
	run ws --count 10 ping close:1000
	is '10 101 closed=1000 gone'
	kill_gateway
	get /pid
	[ "$code" = 200 ] || fail "$code $body"
	[ "$(gateway_starts)" -eq 2 ]
	wg stop --hold
	handshake /ws
	[ "$code" = 503 ]
	[ "$(json .code)" = held ]
	wg reset
}

@test "a browser that the authorizer keeps waiting gets the loading page" {
	FLAGS=(--boot-ms 1500)
	write_config
	cgi GET / WAKEGATE_ROLE=authorizer HTTP_ACCEPT=text/html
	[ "$code" = 503 ]
	grep -qi '<html' "$RUN/cgi"
	never grep -qi '^Content-Length' "$RUN/cgi"
}

@test "a refusal waits for nothing and starts nothing" {
	write_config
	cgi GET /ws WAKEGATE_ROLE=refusal
	[ "$code" = 503 ]
	grep -q '"starting"' "$RUN/cgi"
	[ "$(gateway_starts)" -eq 0 ]
}

# Apache with passwords of its own, that asks wakegate who may pass.
start_apache_authorizer() {
	local modules=/usr/lib/apache2/modules

	take_port
	WEB_PORT=$REPLY
	printf 'alice:%s\n' "$(openssl passwd -apr1 secret)" >"$RUN/users"
	become_www_data
	fill_in apache-fcgid.conf
	# (a 401 asks for the password here: no page of ours in its place)
	sed -i -e 's/FcgidAccessChecker/FcgidAuthorizer/' \
		-e '/ErrorDocument 401/d' \
		-e "/^<If/a AuthType Basic\nAuthName wakegate\n\
AuthBasicProvider file\nAuthUserFile $RUN/users\nRequire valid-user" \
		-e "1i LoadModule authn_core_module $modules/mod_authn_core.so\n\
LoadModule authn_file_module $modules/mod_authn_file.so\n\
LoadModule authz_user_module $modules/mod_authz_user.so\n\
LoadModule auth_basic_module $modules/mod_auth_basic.so" \
		"$RUN/apache-fcgid.conf"
	start_server "$RUN/server.log" "$APACHE" -D FOREGROUND \
		-f "$RUN/apache-fcgid.conf"
}

@test "mod_fcgid's FcgidAuthorizer: wakes for whom Apache knows, replaces, and refuses" {
	local alice

	alice="Authorization: Basic $(printf alice:secret | base64)"
	write_config
	start_apache_authorizer
	run ws ping close:1000
	[[ $output == '1 401'* ]] || fail "$output"
	[ ! -s "$STARTS" ]
	run ws --field "$alice" --count 10 ping close:1000
	is '10 101 closed=1000 gone'
	kill_gateway
	run ws --field "$alice" ping close:1000
	is '1 101 closed=1000 gone'
	[ "$(gateway_starts)" -eq 2 ]
	wg stop --hold
	run ws --field "$alice" ping close:1000
	[[ $output != *101* ]] || fail "$output"
	wg reset
}
