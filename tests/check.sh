#!/bin/sh
# check.sh - builds wakegate and runs all its tests
#
#	sh tests/check.sh		ends with `N passed, N failed`
#	TESTS=tests/bats/wake.bats sh tests/check.sh
#
# On Debian 12 as root it first installs the packages that are missing. Builds in
# build/, or in the folder that $BUILD names. Other variables: CONFIGURE_FLAGS,
# and JOBS (2) for the tests that run at once.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}

cd "$top"
# shellcheck source=tools/packages.sh
. tools/packages.sh
# shellcheck disable=SC2086
packages_need $PACKAGES_DEB $PACKAGES_TEST
packages_need_npm

# What has changed since, make itself brings up to date.
[ -x configure ] || ./autogen.sh
mkdir -p "$build"
cd "$build"
if [ ! -e Makefile ]; then
	# shellcheck disable=SC2086
	"$top/configure" ${CONFIGURE_FLAGS-} >configure.log || {
		cat configure.log
		exit 1
	}
fi
make -j"$(nproc)" all

# A run that dies early must not be counted by the logs of the one before.
find tests \( -name '*.log' -o -name '*.trs' \) -exec rm -f {} + 2>/dev/null ||
	:
rm -f test-suite.log
set -- check
[ -z "${TESTS-}" ] || set -- check TESTS="$TESTS"
{
	made=0
	make -j"${JOBS:-2}" "$@" 2>&1 || made=$?
	echo "$made" >check.status
} | tee check.log | grep --line-buffered -E '^(PASS|FAIL|XPASS|ERROR|SKIP):' ||
	: # no test ran: said below
made=$(cat check.status)

count() { # KIND...
	for kind in "$@"; do
		sed -n "s/^# $kind: *\\([0-9][0-9]*\\)\$/\\1/p" check.log
	done | awk '{ sum += $1 } END { print sum + 0 }'
}
passed=$(count PASS XFAIL)
failed=$(count FAIL XPASS ERROR)
skipped=$(count SKIP)

if [ "$failed" -gt 0 ] && [ -e test-suite.log ]; then
	cat test-suite.log
elif [ "$made" -ne 0 ]; then
	tail -n 50 check.log
	[ "$failed" -gt 0 ] || failed=1 # it did not get so far as to count
fi
if [ "$skipped" -gt 0 ]; then
	grep '^SKIP:' check.log
	# A machine of ours can run every test.
	[ -z "${CI-}" ] || failed=$((failed + skipped))
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
