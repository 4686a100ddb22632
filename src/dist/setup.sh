# setup.sh - sourced by samples/demo.sh and tests/run.sh: installs what is missing, builds.
# Expects the current folder to be the top of the checkout.

say() { printf '%s\n' "$*" >&2; }

# A tool that is there already, from wherever, need not come as a package.
have_already() {
    case "$1" in
    nodejs) command -v node >/dev/null 2>&1 ;;
    npm) command -v npm >/dev/null 2>&1 ;;
    python3-venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 ;;
    chromium) command -v chromium >/dev/null 2>&1 ;;
    golang-go) command -v go >/dev/null 2>&1 ;;
    default-jdk-headless) command -v javac >/dev/null 2>&1 ;;
    maven) command -v mvn >/dev/null 2>&1 ;;
    *) return 1 ;;
    esac
}

# install_packages GROUP...: installs the packages of those groups that are missing.
install_packages() {
    missing=""
    for group in "$@"; do
        for package in $(sed -n "s/^$group //p" src/dist/packages.txt); do
            dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -q '^installed$' ||
                have_already "$package" || missing="$missing $package"
        done
    done
    [ -n "$missing" ] || return 0
    as_root=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            say "missing packages:$missing"
            say "run this script as root or with sudo installed, or first, as root: apt-get install$missing"
            return 1
        fi
        as_root="sudo"
    fi
    say "installing:$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # the list is meant to be split
    if $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq >"$log" 2>&1 &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            $missing >>"$log" 2>&1; then
        rm -f "$log"
        return 0
    fi
    say "could not install:$missing"
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
}

# build DIR [cmake arguments]: configures and builds; shows the log only when something went wrong.
build() {
    folder=$1
    shift
    mkdir -p "$folder"
    if ! cmake -S . -B "$folder" "$@" >"$folder/build.log" 2>&1 ||
        ! cmake --build "$folder" -j "$(nproc)" >>"$folder/build.log" 2>&1; then
        tail -n 60 "$folder/build.log" >&2
        say "the build in $folder failed; the whole log is $folder/build.log"
        return 1
    fi
}

# fetch_python PYTHON FOLDER: the virtual environment anew, and the packages of $requirements in it.
fetch_python() {
    rm -rf "$2"
    mkdir -p "$(dirname "$2")"
    "$1" -m venv "$2" >"$2.log" 2>&1 &&
        "$2/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
            --retries 1 --timeout 15 -r "$requirements" >>"$2.log" 2>&1
}

# python_env [FOLDER]: a virtual environment, build/venv if not said otherwise, with what Cruddur's
# Flask backend needs. It is made anew when the requirements, the Python or the place changed. Not
# zero when it cannot be had; why is said then.
python_env() {
    venv=${1:-build/venv}
    requirements=samples/cruddur/backend-flask/requirements.txt
    python=$(command -v python3) || {
        say "there is no python3; apt-get install python3-venv"
        return 1
    }
    stamp="$(cksum <"$requirements") $("$python" --version 2>&1) $(cd . && pwd)/$venv"
    if [ -x "$venv/bin/python" ] && [ "$(cat "$venv/towbar.stamp" 2>/dev/null)" = "$stamp" ]; then
        return 0
    fi
    say "fetching Flask, gunicorn and pyrollbar into $venv"
    for candidate in "$python" /usr/bin/python3; do
        if [ -x "$candidate" ] && fetch_python "$candidate" "$venv"; then
            printf '%s\n' "$stamp" >"$venv/towbar.stamp"
            return 0
        fi
        # A Python that can make no environment; else it is the network, for every Python.
        [ ! -x "$venv/bin/pip" ] || break
    done
    if [ -x "$venv/bin/pip" ]; then
        say "PyPI is out of reach, or does not have what $requirements names; see $venv.log"
    else
        say "no virtual environment can be made in $venv: apt-get install python3-venv; see $venv.log"
    fi
    return 1
}
