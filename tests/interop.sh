# interop.sh - sourced by run.sh: fetches real SDKs by name into build/interop and runs
# tests/interop against the fake Rollbar and the agent.
# shellcheck shell=bash disable=SC2154

# fetched STAMP "FILE..." COMMAND...: runs the command unless it went well before for the same files.
fetched() {
    local stamp=$1 sum
    # shellcheck disable=SC2086 # the list is meant to be split
    sum=$(cat $2 | sha256sum) || return 1
    shift 2
    [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return 0
    rm -f "$stamp"
    "$@" && echo "$sum" >"$stamp"
}

python_packages() {
    python3 -m venv --clear build/interop/venv &&
        build/interop/venv/bin/python -m pip install -q --disable-pip-version-check \
            -r tests/interop/requirements.txt
}

node_packages() {
    rm -rf build/interop/node
    mkdir -p build/interop/node && cp tests/interop/package.json build/interop/node/ &&
        npm install --prefix build/interop/node --no-audit --no-fund --silent
}

fetch_python_sdk() {
    mkdir -p build/interop &&
        fetched build/interop/python.stamp \
            "tests/interop/requirements.txt samples/cruddur/backend-flask/requirements.txt" \
            python_packages
}

fetch_node_sdk() {
    mkdir -p build/interop &&
        fetched build/interop/node.stamp tests/interop/package.json node_packages
}

# scripts FOLDER: the unittest files of a folder, in the virtual environment, counted.
scripts() {
    local folder=$1 log counts ran
    log=$(mktemp)
    (cd "$folder" && TOWBAR_BUILD="$top/build" TOWBAR_SOURCE="$top" CC="${CC:-cc}" \
        NODE_PATH="$top/build/interop/node/node_modules" CHROMIUM="$(command -v chromium)" \
        "$top/build/interop/venv/bin/python" -B -m unittest -v) >"$log" 2>&1
    ran=$?
    # The counter reads ctest's log; this is the same text with its two marks around it.
    counts=$({ echo "1/1 Testing: $folder"; cat "$log"; [ $ran -ne 0 ] || echo "Test Passed."; } |
        python3 tests/count.py /dev/stdin) || counts="0 1"
    if [ $ran -eq 0 ]; then
        echo "ok      $folder"
    else
        echo "FAILED  $folder"
        tail -n 120 "$log"
    fi
    rm -f "$log"
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

top=$(pwd)
one "pyrollbar and Flask from PyPI" fetch_python_sdk
one "rollbar.js, express and the browser's tools from npm" fetch_node_sdk
if [ "$interop" -eq 1 ]; then
    scripts tests/interop
fi
if [ "$peers" -eq 1 ]; then
    echo "no peer that is slow to build is in the tests yet"
fi
