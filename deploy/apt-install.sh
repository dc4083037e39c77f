#!/bin/sh
# Install packages of Debian or Ubuntu, as root or through sudo; say which are missing otherwise.
set -eu
echo "installing $* with apt-get"
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "missing: $*; install it as root: apt-get install $*" >&2
    exit 1
fi
$as_root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq "$@" >/dev/null
