# shellcheck shell=sh
# s3rver.sh - installs the S3 store that the tests speak to; to be sourced, after
# packages.sh
#
#	s3rver_need FOLDER
#
# From npm: 30 s and 14 MB, once; whole or not at all, and by one at a time. Then
# S3RVER_PROGRAM is what node starts.

s3rver_need() {
	S3RVER_PROGRAM=$1/node_modules/s3rver/bin/s3rver.js
	mkdir -p "$(dirname "$1")" || return 1
	(
		exec 8>>"$1.lock" && flock 8 || exit 1
		[ ! -f "$S3RVER_PROGRAM" ] || exit 0
		packages_need_npm || exit 1
		rm -rf "$1.new"
		npm install --prefix "$1.new" --ignore-scripts --no-audit \
			--no-fund s3rver@3.7.1 >"$1.log" 2>&1 8>&- &&
			mv "$1.new" "$1" && exit 0
		tail -n 20 "$1.log" >&2
		exit 1
	)
}
