#!/bin/sh
# Run the kernels' tests under valgrind: no read or write beside an array, nothing unset is used.
# Valgrind shows its programs a processor with AVX2, so the scalar and AVX2 kernels are run; those of
# AVX-512 share their tests, and these run on the real processor in `make test`.
set -eu
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || deploy/apt-install.sh valgrind
for suite in kernels coarse; do
    program=$(cargo test --release -p openviking-core --test "$suite" --no-run 2>&1 |
        sed -n 's/.*Executable.*(\(.*\))$/\1/p')
    echo "valgrind: $program"
    PROPTEST_CASES=16 valgrind --quiet --error-exitcode=1 "$program" --quiet
done
