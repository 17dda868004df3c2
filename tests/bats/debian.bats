#!/usr/bin/env bats
# The Debian package: built from a copy of the source, unpacked, and used.

export BATS_TEST_TIMEOUT=600
load helper

# Out of what git would archive; a release's tarball is that already.
copy_source() {
	if [ -e "$TOP_SRCDIR/.git" ]; then
		git -c safe.directory='*' -C "$TOP_SRCDIR" ls-files -z \
			--cached --others --exclude-standard |
			tar -C "$TOP_SRCDIR" --null -T - -cf -
	else
		tar -C "$TOP_SRCDIR" --exclude=./build --exclude='./build-*' \
			--exclude='./_build' --exclude=./.cache -cf - .
	fi | tar -C "$1" -xf - --no-same-owner
	chmod -R u+w "$1"
}

setup_file() {
	export PACKAGE=$BATS_FILE_TMPDIR/package ROOT=$BATS_FILE_TMPDIR/root
	mkdir -p "$PACKAGE/source" "$ROOT"
	# the web server's user has to get there
	chmod a+x "$BATS_FILE_TMPDIR" "${BATS_FILE_TMPDIR%/*}"
	copy_source "$PACKAGE/source"
	(cd "$PACKAGE/source" && exec env -i PATH="$PATH" HOME="$PACKAGE" \
		LC_ALL=C.UTF-8 DEB_BUILD_OPTIONS='nocheck noautodbgsym parallel=2' \
		dpkg-buildpackage -us -uc -b) >"$PACKAGE/build.log" 2>&1 || {
		tail -n 40 "$PACKAGE/build.log" >&2
		return 1
	}
	dpkg-deb -x "$PACKAGE"/wakegate_*.deb "$ROOT"
	dpkg-deb -e "$PACKAGE"/wakegate_*.deb "$ROOT/DEBIAN"
}

own_setup() {
	WAKEGATE=$ROOT/usr/bin/wakegate
	write_config
}

@test "lintian finds no error and no warning in the packages" {
	run lintian --allow-root "$PACKAGE"/wakegate_*.changes
	! grep -E '^[EW]:' <<<"$output" || fail "$output"
	[ "$status" -eq 0 ]
}

@test "the package has what it promises, where Debian looks for it" {
	while read -r path; do
		[ -s "$ROOT/$path" ] || fail "no $path"
	done <<-END
		usr/bin/wakegate
		usr/libexec/wakegate/wakegate-snapshot
		usr/share/man/man8/wakegate.8.gz
		usr/share/man/man8/wakegate-snapshot.8.gz
		usr/share/man/man5/wakegate.json.5.gz
		usr/share/bash-completion/completions/wakegate
		lib/systemd/system/wakegate.service
		lib/systemd/system/wakegate.socket
		lib/systemd/system/wakegate-gateways.service
		usr/lib/tmpfiles.d/wakegate.conf
		etc/apache2/conf-available/wakegate.conf
		etc/lighttpd/conf-available/50-wakegate.conf
		usr/share/doc/wakegate/copyright
		usr/share/doc/wakegate/examples/wakegate.json
		usr/share/doc/wakegate/examples/nginx.conf
	END
	[ -d "$ROOT/etc/wakegate" ]
}

@test "the installed programs run, and know where they are" {
	run "$WAKEGATE" version
	[ "$status" -eq 0 ]
	[ "$output" = "wakegate $(dpkg-deb -f "$PACKAGE"/wakegate_*.deb Version)" ]
	run "$ROOT/usr/libexec/wakegate/wakegate-snapshot" -c "$CONFIG" list fake
	[ "$status" -le 2 ]
	[[ $output == *'"ok"'* ]] || fail "$output"
	grep -qaF /usr/libexec/wakegate "$WAKEGATE"
	grep -qaF /etc/wakegate/wakegate.json "$WAKEGATE"
	for unit in "$ROOT"/lib/systemd/system/*.service; do
		[ -x "$ROOT$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")" ]
	done
}

@test "the programs are hardened as elsewhere, whatever flags Debian adds" {
	for program in usr/bin/wakegate usr/libexec/wakegate/wakegate-snapshot; do
		readelf -hW "$ROOT/$program" | grep -qE 'Type: +DYN'
		readelf -lW "$ROOT/$program" | grep -q GNU_RELRO
		readelf -dW "$ROOT/$program" | grep -qE 'FLAGS_1.*NOW.*PIE'
		readelf -sW --dyn-syms "$ROOT/$program" | grep -q '__stack_chk_fail'
		readelf -sW --dyn-syms "$ROOT/$program" | grep -qE '__[a-z]+_chk'
	done
	grep -q 'D_FORTIFY_SOURCE=3' "$PACKAGE/build.log"
	never grep -q 'D_FORTIFY_SOURCE=2' "$PACKAGE/build.log"
}

@test "installing enables and starts nothing, and an upgrade leaves gateways alone" {
	[ -z "$(find "$ROOT/etc" -type l)" ]
	never grep -hE 'invoke.* start ' "$ROOT"/DEBIAN/p*
	never grep -hE 'invoke.*(stop|restart).*gateways' "$ROOT"/DEBIAN/p*inst
	grep -q 'try-restart.*wakegate.service' "$ROOT/DEBIAN/postinst"
	for script in "$ROOT"/DEBIAN/p*; do
		sh -n "$script"
	done
}

@test "purging takes the database and leaves snapshots to their owner" {
	mkdir -p "$RUN/var/lib/wakegate/app.snapshots"
	touch "$RUN/var/lib/wakegate/"{wakegate.db,wakegate.id,app.lock,app.log} \
		"$RUN/var/lib/wakegate/app.snapshots/one"
	# ours, without what debhelper adds for the machine that this is
	sed '/^# Automatically added/,$d' "$ROOT/DEBIAN/postrm" >"$RUN/postrm"
	DPKG_ROOT=$RUN sh "$RUN/postrm" purge
	[ "$(ls "$RUN/var/lib/wakegate")" = app.snapshots ]
	rm -r "$RUN/var/lib/wakegate/app.snapshots"
	DPKG_ROOT=$RUN sh "$RUN/postrm" purge
	[ ! -e "$RUN/var/lib/wakegate" ]
}

@test "the state's folder is made for the web server's user, and closed to others" {
	mkdir -p "$RUN/root/usr/lib" "$RUN/root/etc" "$RUN/root/var/lib"
	cp -R "$ROOT/usr/lib/tmpfiles.d" "$RUN/root/usr/lib/"
	cp /etc/passwd /etc/group "$RUN/root/etc/"
	systemd-tmpfiles --root="$RUN/root" --create wakegate.conf
	[ "$(stat -c '%a %U' "$RUN/root/var/lib/wakegate")" = '700 www-data' ]
}

# The part of the web servers' files that the administrator has anyway.
snippet() {
	sed -e "s|/run/wakegate.sock|$RUN/wakegate.sock|" \
		-e "s|/usr/bin/wakegate|$WAKEGATE|" "$ROOT/$1"
}

@test "Apache with its conf-available/wakegate.conf answers, in a site too" {
	take_port
	WEB_PORT=$REPLY
	fill_in apache-proxy-fcgi.conf
	{
		sed '/^# --- wakegate ---/,$d' "$RUN/apache-proxy-fcgi.conf"
		snippet etc/apache2/conf-available/wakegate.conf
		printf '<VirtualHost *:%s>\n\tDocumentRoot %s\n' \
			"$WEB_PORT" "$RUN/empty"
		# what the file says that a site has to say itself
		sed -n 's/^#\t\(AllowEncodedSlashes\|MergeSlashes\)/\1/p' \
			"$ROOT/etc/apache2/conf-available/wakegate.conf"
		echo '</VirtualHost>'
	} >"$RUN/site.conf"
	become_www_data
	serve "$RUN/wakegate.sock"
	start_server "$RUN/server.log" "$APACHE" -D FOREGROUND \
		-f "$RUN/site.conf"
	get /pid
	[ "$code" = 200 ] || fail "$code $body"
	get '/echo/a%2Fb//c'
	[[ $body == *'a%2Fb//c'* ]] || fail "$code $body"
}

@test "lighttpd with its conf-available/50-wakegate.conf answers, WebSockets too" {
	take_port
	WEB_PORT=$REPLY
	fill_in lighttpd.conf
	{
		sed '/^server.modules/,$d' "$RUN/lighttpd.conf"
		echo 'server.modules = ( "mod_alias", "mod_fastcgi", "mod_cgi",' \
			'"mod_setenv" )'
		# instead of /etc/wakegate/wakegate.json
		echo "setenv.set-environment = ( \"WAKEGATE_CONFIG\" => \"$CONFIG\" )"
		snippet etc/lighttpd/conf-available/50-wakegate.conf
	} >"$RUN/site.conf"
	serve "$RUN/wakegate.sock"
	start_server "$RUN/server.log" "$LIGHTTPD" -D -f "$RUN/site.conf"
	get /pid
	[ "$code" = 200 ] || fail "$code $body"
	get /echo -d some=body
	[ "$code" = 200 ] || fail "$code $body"
	run ws --count 5 echo:100 close:1000
	[ "$output" = '5 101 closed=1000 gone' ] || fail "$output"
}

@test "lighttpd's file goes with Debian's own and the modules that it asks for" {
	mkdir "$RUN/enabled"
	for module in $(sed -n 's/^# -\*- depends: \(.*\) -\*-/\1/p' \
		"$ROOT/etc/lighttpd/conf-available/50-wakegate.conf" | tr -d ,); do
		cp /etc/lighttpd/conf-available/*-"$module".conf "$RUN/enabled/"
	done
	[ "$(ls "$RUN/enabled")" = $'10-cgi.conf\n10-fastcgi.conf' ]
	snippet etc/lighttpd/conf-available/50-wakegate.conf \
		>"$RUN/enabled/50-wakegate.conf"
	sed "s|/etc/lighttpd/conf-enabled|$RUN/enabled|" \
		/etc/lighttpd/lighttpd.conf >"$RUN/debian.conf"
	run "$LIGHTTPD" -tt -f "$RUN/debian.conf"
	[ "$status" -eq 0 ] || fail "$output"
	[[ $output != *arning* ]] || fail "$output"
}
