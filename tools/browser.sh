# shellcheck shell=sh
# browser.sh - installs what drives the browser of the tests; to be sourced, after
# packages.sh
#
#	browser_need FOLDER
#
# Debian's Chromium, and from npm playwright-core and axe-core: 20 s and 15 MB,
# once; whole or not at all, and by one at a time. Then BROWSER_MODULES is where
# tests/browser/browser.mjs finds them.

browser_need() {
	BROWSER_MODULES=$1/node_modules
	mkdir -p "$(dirname "$1")" || return 1
	(
		exec 8>>"$1.lock" && flock 8 || exit 1
		packages_need chromium || exit 1
		[ ! -d "$BROWSER_MODULES" ] || exit 0
		packages_need_npm || exit 1
		rm -rf "$1.new"
		npm install --prefix "$1.new" --ignore-scripts --no-audit \
			--no-fund playwright-core@1.60.0 axe-core@4.14.1 \
			>"$1.log" 2>&1 8>&- && mv "$1.new" "$1" && exit 0
		tail -n 20 "$1.log" >&2
		exit 1
	)
}
