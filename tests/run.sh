#!/usr/bin/env bash
# run.sh - installs what is missing, builds, runs the tests. The last line is "N passed, N failed".
#
#   ./tests/run.sh              release and ASan+UBSan builds, every test
#   ./tests/run.sh --checks     also: clang build, TSan, valgrind, clang-format, clang-tidy, cppcheck
#   ./tests/run.sh --interop    also: real SDKs from their registries, a browser
#   ./tests/run.sh --peers      also: real SDKs that take long to fetch and build: Go, Java
#   ./tests/run.sh --long       also: fault, fuzz and soak runs, each bounded
set -uo pipefail
cd "$(dirname "$0")/.."
. src/dist/setup.sh

checks=0 interop=0 peers=0 long=0
for argument in "$@"; do
    case "$argument" in
    --checks) checks=1 ;;
    --interop) interop=1 ;;
    --peers) peers=1 ;;
    --long) long=1 ;;
    *)
        say "run.sh: unknown argument $argument; it takes --checks, --interop, --peers, --long"
        exit 2
        ;;
    esac
done

passed=0
failed=0
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
    exit
}

# one NAME COMMAND...: one check; its output is shown when it fails.
one() {
    local name=$1 log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        tail -n 80 "$log"
    fi
    rm -f "$log"
}

# suite NAME BUILD [ctest arguments]: all tests of a build, counted one by one.
suite() {
    local name=$1 folder=$2 counts
    shift 2
    rm -f "$folder/Testing/Temporary/LastTest.log"
    if (cd "$folder" && ctest --output-on-failure -j 3 "$@") >"$folder/ctest.log" 2>&1; then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        grep -v '^ *[0-9]*/[0-9]* Test.*Passed\|^ *Start' "$folder/ctest.log" | tail -n 150
    fi
    counts=$(python3 tests/count.py "$folder/Testing/Temporary/LastTest.log") || counts="0 1"
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

# build_or_finish NAME FOLDER [cmake arguments]
build_or_finish() {
    local name=$1
    shift
    one "$name" build "$@"
    [ "$failed" -eq 0 ] || finish
}

groups="build run test"
[ $((checks + long)) -eq 0 ] || groups="$groups checks"
[ $interop -eq 0 ] || groups="$groups interop"
[ $peers -eq 0 ] || groups="$groups peers"
# shellcheck disable=SC2086 # the list is meant to be split
install_packages $groups || { failed=1 && finish; }

one "Flask and pyrollbar for the sample, from PyPI" python_env build/venv

# The release build has the flags of demo.sh, so that the two scripts share their objects; that there are
# no warnings, the other builds see to.
build_or_finish "build, release" build -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTOWBAR_TESTS=ON
build_or_finish "build, ASan and UBSan" build-asan -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DTOWBAR_WERROR=ON -DTOWBAR_SANITIZE=address,undefined
suite "tests, release" build
# What kills at many places, compiles many programs or runs none of ours is run once, but with --long.
once='(kill_sites|kill_ingest|test_group|test_demo|test_fake_.*|test_layers|test_containers)$'
if [ $long -eq 1 ]; then
    suite "tests, ASan and UBSan" build-asan
else
    suite "tests, ASan and UBSan" build-asan -E "$once"
fi

if [ $checks -eq 1 ]; then
    . tests/checks.sh
fi
if [ $((interop + peers)) -gt 0 ]; then
    . tests/interop.sh
fi
if [ $long -eq 1 ]; then
    . tests/long.sh
fi
finish
