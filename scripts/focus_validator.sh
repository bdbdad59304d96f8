#!/bin/sh
# focus_validator.sh FILE...: the public focus-validator on FOCUS files of ours (see focus_validator.py), in an environment of
# its own, because it wants libraries older than ours. A plain install of it fails at its start: it needs multimethod < 1.12.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
env=.make/focus-validator
if [ ! -x "$env/bin/focus-validator" ]; then
    mkdir -p .make
    "$PYTHON" -m venv "$env"
    "$env/bin/pip" --quiet --disable-pip-version-check install 'focus-validator==1.0.0' 'multimethod<1.12'
fi
status=0
for file in "$@"; do
    echo "== $file"
    "$env/bin/python" scripts/focus_validator.py "$env/bin/focus-validator" "$file" || status=1
done
exit $status
