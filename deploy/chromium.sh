#!/bin/sh
# See to it that the test of the dashboard has a Chromium. Where none can be had, as in a container
# of Ubuntu, which has it as a snap only, that one test is skipped and says so.
set -eu

command -v chromium >/dev/null && exit 0
command -v chromium-browser >/dev/null && exit 0
"$(dirname "$0")/apt-install.sh" chromium ||
    echo "no Chromium can be installed here: the test that looks at the dashboard is skipped" >&2
