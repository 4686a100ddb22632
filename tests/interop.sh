# interop.sh - sourced by run.sh: fetches real SDKs by name into build/interop and runs
# tests/interop (--interop) and tests/interop/peers (--peers) against the fake Rollbar and the agent.
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
            "tests/interop/requirements.txt samples/cruddur/backend-flask/requirements.txt samples/cruddur/backend-flask/requirements-aws.txt" \
            python_packages
}

fetch_node_sdk() {
    mkdir -p build/interop &&
        fetched build/interop/node.stamp tests/interop/package.json node_packages
}

go_client() {
    local to=$top/build/interop/go
    rm -rf "$to"
    mkdir -p "$to"
    (cd tests/interop/peers/go &&
        GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -mod=readonly -o "$to/client" .)
}

java_client() {
    local to=build/interop/java
    rm -rf "$to"
    mkdir -p "$to"
    cp -r tests/interop/peers/java/pom.xml tests/interop/peers/java/src "$to" &&
        (cd "$to" && mvn -q -B package dependency:copy-dependencies)
}

fetch_go_sdk() {
    mkdir -p build/interop &&
        fetched build/interop/go.stamp \
            "tests/interop/peers/go/go.mod tests/interop/peers/go/go.sum tests/interop/peers/go/main.go" \
            go_client
}

# The OpenTelemetry collector, with the two parts of it that are needed.
collector() {
    local to=$top/build/interop/collector
    rm -rf "$to"
    mkdir -p "$to"
    (cd tests/interop/peers/collector &&
        GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -mod=readonly -o "$to/collector" .)
}

fetch_collector() {
    mkdir -p build/interop &&
        fetched build/interop/collector.stamp \
            "tests/interop/peers/collector/go.mod tests/interop/peers/collector/go.sum tests/interop/peers/collector/main.go" \
            collector
}

fetch_java_sdk() {
    mkdir -p build/interop &&
        fetched build/interop/java.stamp \
            "tests/interop/peers/java/pom.xml tests/interop/peers/java/src/main/java/towbar/Client.java" \
            java_client
}

# scripts FOLDER PYTHON: the unittest files of a folder, counted.
scripts() {
    local folder=$1 python=$2 log counts ran
    log=$(mktemp)
    (cd "$folder" && TOWBAR_BUILD="$top/build" TOWBAR_SOURCE="$top" CC="${CC:-cc}" \
        NODE_PATH="$top/build/interop/node/node_modules" CHROMIUM="$(command -v chromium)" \
        "$python" -B -m unittest -v) >"$log" 2>&1
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
if [ "$interop" -eq 1 ]; then
    one "pyrollbar, Flask, moto and tracing SDKs from PyPI" fetch_python_sdk
    one "rollbar.js, express and the browser's tools from npm" fetch_node_sdk
    scripts tests/interop "$top/build/interop/venv/bin/python"
fi
if [ "$peers" -eq 1 ]; then
    one "rollbar-go from the Go module proxy" fetch_go_sdk
    one "rollbar-java from Maven Central" fetch_java_sdk
    one "the OpenTelemetry collector from the Go module proxy" fetch_collector
    scripts tests/interop/peers python3
fi
