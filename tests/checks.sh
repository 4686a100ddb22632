# checks.sh - sourced by run.sh: other compilers, sanitizers and analysers.
# shellcheck shell=bash disable=SC2154

sources() { git ls-files 'src/*.c' 'samples/*.c' 'tests/*.c'; }
headers() { git ls-files 'src/*.h' 'include/*.h' 'tests/*.h'; }

format_is_clean() {
    { sources && headers; } | xargs clang-format --dry-run -Werror
}

# Programs that tests compile for themselves (tests/*/programs, tests/*/data) are not part of the
# build, so the analysers look at what the build's own list names.
tidy_is_quiet() {
    python3 - <<'PY' | xargs -P 2 -n 6 clang-tidy -p build-clang --quiet
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

analyzer_is_quiet() {
    build build-analyzer -DCMAKE_BUILD_TYPE=Debug -DTOWBAR_TESTS=OFF \
        -DCMAKE_C_FLAGS="-fanalyzer -Werror"
}

one "clang-format" format_is_clean
one "build, clang" build build-clang -DCMAKE_C_COMPILER=clang -DTOWBAR_WERROR=ON
one "clang-tidy" tidy_is_quiet
one "cppcheck" cppcheck_is_quiet
one "build, gcc -fanalyzer" analyzer_is_quiet
one "build, TSan" build build-tsan -DTOWBAR_WERROR=ON -DTOWBAR_SANITIZE=thread
suite "tests with threads, TSan" build-tsan -R 'spool|capture|agent|store|main_job|nothing_lost'
TOWBAR_CHECKS=1 suite "end to end, valgrind" build -R 'valgrind'
