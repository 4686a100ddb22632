# checks.sh - sourced by run.sh: other compilers, sanitizers and analysers.
# shellcheck shell=bash disable=SC2154

sources() { git ls-files 'src/*.c' 'samples/*.c' 'tests/*.c'; }
headers() { git ls-files 'src/*.h' 'include/*.h' 'tests/*.h'; }

format_is_clean() {
    { sources && headers; } | xargs clang-format --dry-run -Werror
}

# One file a run: of several, clang-tidy 14 takes va_start in one for missing in another.
# Programs that tests compile for themselves (tests/*/programs, tests/*/data) are not part of the
# build, so the analysers look at what the build's own list names.
tidy_is_quiet() {
    python3 - <<'PY' | xargs -P 2 -n 1 clang-tidy -p build-clang --quiet
import json, os
top = os.getcwd()
files = {entry["file"] for entry in json.load(open("build-clang/compile_commands.json"))}
print("\n".join(sorted(os.path.relpath(f, top) for f in files if "/src/" in f or "/samples/" in f)))
PY
}

cppcheck_is_quiet() {
    cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,performance,portability \
        --suppressions-list=tests/cppcheck.txt -j 2 -I src -I include -DTOWBAR_VERSION='"0"' \
        src samples
}

# gcc 12's -fanalyzer is not among them: each of its findings here was looked at, and wrong (out-parameters
# set by calls it does not follow, pointers kept in structs taken for leaks).

one "clang-format" format_is_clean
one "build, clang" build build-clang -DCMAKE_C_COMPILER=clang -DTOWBAR_WERROR=ON
one "clang-tidy" tidy_is_quiet
one "cppcheck" cppcheck_is_quiet
one "build, TSan" build build-tsan -DTOWBAR_WERROR=ON -DTOWBAR_SANITIZE=thread
# TSan keeps signals to itself until it sees fit: test_handoff, which compares deaths, cannot run under it.
# Nor can the helper of test_siblings: a process that shares memory with another is more than its runtime takes.
suite "tests with threads, TSan" build-tsan -R 'spool|capture|http|agent|store|main_job|nothing_lost|four_systems|trace_threads' \
    -E 'capture.test_(handoff|siblings)'
TOWBAR_CHECKS=1 suite "end to end, valgrind" build -R 'valgrind'
