# browser.bash - a headless Chromium for tests of pages; to be loaded after helper
#
#	setup_file() { browser_setup; }
#	browse loading.mjs arrives /path	tests/browser/loading.mjs, its check
#
# See tests/browser/browser.mjs. Pictures go to tests/shots in the build folder.
#
# shellcheck shell=bash

BROWSER_FOLDER=$TOP_SRCDIR/.cache/browser
SHOTS=$TOP_BUILDDIR/tests/shots

browser_setup() {
	# shellcheck source=tools/packages.sh
	. "$TOP_SRCDIR/tools/packages.sh"
	# shellcheck source=tools/browser.sh
	. "$TOP_SRCDIR/tools/browser.sh"
	browser_need "$BROWSER_FOLDER" 3>&-
}

# browse FILE CHECK [WORDS...]: against $URL; what fails is printed.
browse() {
	local file=$1

	shift
	mkdir -p "$RUN/chromium"
	TMPDIR=$RUN/chromium HOME=$RUN/chromium URL=$URL SHOTS=$SHOTS \
		BROWSER_MODULES=$BROWSER_FOLDER/node_modules \
		WAKEGATE_COMMAND="${AS[*]}${AS[*]:+ }$WAKEGATE -c $CONFIG" \
		timeout "${BROWSE_SECONDS:-100}" node "$TOP_SRCDIR/tests/browser/$file" "$@" 3>&-
}
