# fcgi.bash - FastCGI as a web server speaks it, in the escapes of printf
#
# shellcheck shell=bash

pair() { # NAME VALUE
	printf '\\x%02x\\x%02x%s%s' "${#1}" "${#2}" "$1" "$2"
}

record() { # TYPE BYTES
	local data

	data=$(printf '%b' "$2" | wc -c)
	printf '\\x01\\x%02x\\x00\\x01\\x%02x\\x%02x\\x00\\x00%s' "$1" \
		$((data / 256)) $((data % 256)) "$2"
}

# A request with FCGI_KEEP_CONN, up to the end of its parameters.
fcgi_head() { # [METHOD PATH [MORE PAIRS]]
	record 1 '\x00\x01\x01\x00\x00\x00\x00\x00'
	record 4 "$(pair REQUEST_METHOD "${1:-GET}")$(
		pair REQUEST_URI "${2:-/pid}")$(pair SCRIPT_NAME '')$(
		pair SERVER_PROTOCOL HTTP/1.1)$(pair HTTP_HOST localhost)${3:-}"
	record 4 ''
}

fcgi_request() { # [PATH]
	fcgi_head GET "${1:-/pid}"
	record 5 ''
}

fcgi_abort() {
	record 2 ''
}

# fcgi_said FD SECONDS: what comes, readable, until the end of a request or of the
# connection.
fcgi_said() {
	# shellcheck disable=SC2016  # perl expands it
	timeout "$2" perl -e '
		$| = 1;
		open(my $in, "<&=", shift) or die;
		while (sysread($in, my $head, 8) == 8) {
			my ($type, $content, $padding) = unpack("xCxxnC", $head);
			my $all = "";
			while (length($all) < $content + $padding) {
				sysread($in, $all, $content + $padding -
					length($all), length($all)) or exit;
			}
			print substr($all, 0, $content) if $type == 6;
			if ($type == 3) { print "\nEND\n"; exit }
		}
		print "\nCLOSED\n"' "$1"
}
