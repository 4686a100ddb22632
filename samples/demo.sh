#!/bin/sh
# demo.sh - on a bare Debian 12: installs what is missing, fetches Flask and pyrollbar into a virtual
# environment, builds towbar, and runs `towbar demo`.
# Arguments go to `towbar demo`: --check verifies everything and exits 0 or 1.
set -eu
cd "$(dirname "$0")/.."
. src/dist/setup.sh

install_packages build run
python_env build/venv || say "Cruddur's Flask backend will be replayed from a recording"
say "building in build/ (the first time takes a minute or two)"
build build -DCMAKE_BUILD_TYPE=RelWithDebInfo -DTOWBAR_TESTS=OFF
exec build/bin/towbar demo "$@"
