#!/usr/bin/env bats
# What was built is what was promised.

hardened() {
	[ "$WAKEGATE_HARDENED" = yes ] || skip "built without hardening"
}

@test "the program links libfcgi, Jansson, SQLite and libc, and nothing else" {
	hardened
	needed=$(readelf -d "$WAKEGATE" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
		sed 's/\.so.*//' | sort | tr '\n' ' ')
	echo "needs: $needed"
	[ "$needed" = "libc libfcgi libjansson libsqlite3 " ]
}

@test "the program is position-independent, read-only after relocation and bound at start" {
	hardened
	readelf -h "$WAKEGATE" | grep -E 'Type: +DYN'
	readelf -lW "$WAKEGATE" | grep GNU_RELRO
	readelf -d "$WAKEGATE" | grep -E 'FLAGS_1.*NOW.*PIE'
}

@test "no page of the program is writable and executable, its stack included" {
	hardened
	readelf -lW "$WAKEGATE" | grep -E 'GNU_STACK.* RW '
	[ -z "$(readelf -lW "$WAKEGATE" | grep -E 'LOAD.*RWE')" ]
}

@test "the program names its version" {
	run "$WAKEGATE" version
	[ "$status" -eq 0 ]
	[[ $output == *"$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"/\1/p' \
		"$TOP_BUILDDIR/config.h")"* ]]
}
