# shellcheck shell=sh
# packages.sh - installs missing Debian packages; to be sourced
#
#	. tools/packages.sh
#	packages_need $PACKAGES_BUILD $PACKAGES_TEST
#
# As root it installs what is missing; as another user it names what is missing
# and fails. No service is started by it.

# shellcheck disable=SC2034
{
	PACKAGES_BUILD='gcc libc6-dev make autoconf automake pkg-config
		libfcgi-dev libjansson-dev libsqlite3-dev libarchive-dev
		libcurl4-openssl-dev'
	PACKAGES_DEMO='lighttpd'
	PACKAGES_DEB="$PACKAGES_BUILD dpkg-dev debhelper lintian"
	PACKAGES_TEST='lighttpd apache2-bin libapache2-mod-fcgid spawn-fcgi
		sqlite3 bats curl jq openssl strace procps util-linux
		binutils systemd shellcheck mandoc ca-certificates zstd squashfs-tools
		squashfuse fuse-overlayfs fuse3 attr nginx-light apache2-utils
		lighttpd-mod-openssl chromium prometheus iproute2'
	PACKAGES_LINT='clang clang-tidy clang-format cppcheck
		libclang-rt-14-dev shellcheck mandoc xz-utils'
}

# Prints those of the packages that are not installed.
packages_missing() {
	for package in "$@"; do
		case $(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null) in
		installed) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

# Runs apt-get while /usr/sbin/policy-rc.d forbids that services start.
packages_install() (
	policy=/usr/sbin/policy-rc.d
	if [ ! -e "$policy" ]; then
		trap 'rm -f "$policy"' EXIT
		trap 'exit 1' INT TERM HUP
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update &&
		apt-get -q -y --no-install-recommends install "$@"
)

packages_need() {
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ]; then
		echo "missing packages (as root: apt-get install): $missing" >&2
		return 1
	fi
	echo "installing: $missing"
	# shellcheck disable=SC2086
	packages_install $missing >packages.log 2>&1 || {
		tail -n 20 packages.log >&2
		rm -f packages.log
		echo "cannot install: $missing" >&2
		return 1
	}
	rm -f packages.log
}

# npm comes with other builds of Node too: only a machine without one gets
# Debian's.
packages_need_npm() {
	command -v npm >/dev/null || packages_need nodejs npm
}
