#!/bin/sh
# Make a virtual environment on a machine that has Python, make and a Rust toolchain, nothing more.
# Debian splits the venv module and the C linker that Rust needs into packages of their own: they are
# installed here when missing.
set -eu
python=$1
venv=$2

install() {
    "$(dirname "$0")/apt-install.sh" "$@"
}

command -v cargo >/dev/null || {
    echo "cargo was not found: install a Rust toolchain (rustup or the distribution's) first" >&2
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed, $python is older; run: make PYTHON=python3.12 ..." >&2
    exit 1
}
command -v cc >/dev/null || install gcc libc6-dev
"$python" -c 'import ensurepip, venv' 2>/dev/null || install \
    "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
"$python" -m venv "$venv"
