#!/usr/bin/env bash
# The Dockerfile's steps without Docker, in an empty folder: build both wheels from exactly the files
# that it copies, install them into a new environment, start the server as a container would, ask it,
# stop it. Exit 0 if every step worked.
#
#   deploy/install-check.sh             builds in a temporary folder, which is removed afterwards
#
# PYTHON                 interpreter to use (python3)
# OPENVIKING_MODEL_DIR   folder of models (the user's own, so that the model is fetched only once)
set -euo pipefail

repo=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
server=""
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

step() { printf '%4ds  %s\n' "$SECONDS" "$*"; }

step "copying what the Dockerfile copies"
mkdir "$work/src"
# COPY a b c DESTINATION, in the stage that builds the wheels.
sed -n '/ AS wheels$/,/ AS environment$/s/^COPY //p' "$repo/Dockerfile" | while read -r -a words; do
    target=$work/src/${words[-1]}
    for source in "${words[@]::${#words[@]}-1}"; do
        if [ -d "$repo/$source" ]; then cp -R "$repo/$source/." "$target"; else cp "$repo/$source" "$target"; fi
    done
done
# What .dockerignore keeps out.
find "$work/src" \( -name '*.so' -o -name '*.pyc' \) -delete

step "building the wheels"
"$python" -m venv "$work/tools"
# Compiled crates are taken from the repository's own target folder where they are there already.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$repo/target} MATURIN_PEP517_ARGS=--locked
export PIP_DISABLE_PIP_VERSION_CHECK=1
(cd "$work/src" && "$work/tools/bin/python" -m pip wheel --quiet --no-deps \
    --wheel-dir "$work/wheels" . ./asgi)
ls "$work/wheels"

step "installing them into a new environment"
"$python" -m venv "$work/env"
"$work/env/bin/python" -m pip install --quiet "$work"/wheels/*.whl

# From here on nothing but the environment's own folder and what a container is given.
mkdir "$work/home"
models=${OPENVIKING_MODEL_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/openviking/models}
run=(env -i "PATH=$work/env/bin:/usr/bin:/bin" "HOME=$work/home" LANG=C.UTF-8
    "OPENVIKING_MODEL_DIR=$models" "OPENVIKING_STORAGE_PATH=$work/data"
    "OPENVIKING_HOST=127.0.0.1" OPENVIKING_PORT=0 "OPENVIKING_SKILLS=$repo/examples/skills")
cd "$work/home"

step "fetching the model, if it is not in $models"
"${run[@]}" openviking model pull

step "starting the server"
"${run[@]}" openviking serve --pull --replica >"$work/out" 2>"$work/err" &
server=$!
for _ in $(seq 300); do
    address=$(sed -n 's/^OpenViking listens on \(http:[^ ]*\).*/\1/p' "$work/out")
    [ -z "$address" ] || break
    kill -0 "$server" 2>/dev/null || { cat "$work/err" >&2; exit 1; }
    sleep 0.1
done
"${run[@]}" openviking probe --wait 60 --url "$address/readyz"

step "asking it"
"${run[@]}" python - "$address" <<'PYTHON'
import json
import sys
import urllib.request

address = sys.argv[1]
with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:
    health = json.load(answer)
assert health["status"] == "healthy", health
request = urllib.request.Request(
    f"{address}/embeddings",
    json.dumps({"text": "installed"}).encode(),
    {"Content-Type": "application/json"},
)
with urllib.request.urlopen(request, timeout=30) as answer:
    embedding = json.load(answer)
assert len(embedding["embedding"]) == embedding["dimension"] == 768, embedding["dimension"]
print(f"healthy, version {health['version']}, {embedding['dimension']} dimensions")
PYTHON

step "stopping it with SIGTERM"
kill -TERM "$server"
status=0
wait "$server" || status=$?
server=""
[ "$status" = 0 ] || { echo "the server ended with status $status" >&2; cat "$work/err" >&2; exit 1; }
step "done"
