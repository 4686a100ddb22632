# long.sh - sourced by run.sh: what takes long, each part bounded.
# shellcheck shell=bash disable=SC2154

fuzz_seconds=${TOWBAR_FUZZ_SECONDS:-60}

# fuzz NAME: one target for a bounded time, on a copy of its corpus.
fuzz() {
    local name=$1 corpus
    corpus=build-fuzz/corpus/$name
    mkdir -p "$corpus" && cp tests/fuzz/corpus/"$name"/* "$corpus"/ &&
        build-fuzz/tests/fuzz_"$name" -max_total_time="$fuzz_seconds" -max_len=65536 -timeout=20 \
            -rss_limit_mb=4096 -artifact_prefix=build-fuzz/ "$corpus"
}

one "build, fuzzers" build build-fuzz -DCMAKE_C_COMPILER=clang -DTOWBAR_FUZZ=ON \
    -DTOWBAR_SANITIZE=address,undefined
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    one "fuzz ${name#fuzz_}, $fuzz_seconds s" fuzz "${name#fuzz_}"
done
# The 100,000 kills take up to 25 minutes, the rest runs beside them.
TOWBAR_LONG=1 suite "faults and soak, long form" build -R 'fault|kill_sites|nothing_lost|outage|spool|store'
# What was done to it and what it cost: docs/faults.md says what the lines mean.
grep -E '^outage|[0-9] (kills|calls|rounds|sites|flipped bits|times|records before)' \
    build/Testing/Temporary/LastTest.log | grep -v '^\[' | sed 's/^/        /'
TOWBAR_LONG=1 suite "torture, every way to die, 8 rounds" build -R 'torture'
TOWBAR_LONG=1 suite "one bug, one item: every compiler, level and form" build -R 'group.test_group'
TOWBAR_LONG=1 suite "names beside a debugger, more compilers" build -R 'symbol|hostile'
