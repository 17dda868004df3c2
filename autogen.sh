#!/bin/sh
# Makes ./configure from a checkout. A release tarball has it already.
set -eu
cd "$(dirname "$0")"
mkdir -p build-aux
autoreconf --force --install --warnings=all
