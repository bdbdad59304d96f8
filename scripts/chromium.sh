#!/bin/sh
# Prints the path of a Chromium that runs: the one named by CHROMIUM, one on the PATH, or Debian's package.
set -eu

runs() { [ -n "$1" ] && "$1" --version >/dev/null 2>&1; }

if [ -n "${CHROMIUM:-}" ]; then
    if runs "$CHROMIUM"; then echo "$CHROMIUM"; exit; fi
    echo "test: CHROMIUM=$CHROMIUM does not run" >&2
    exit 1
fi

on_path() {
    for name in chromium chromium-browser google-chrome; do
        found=$(command -v "$name" || true)
        if runs "$found"; then echo "$found"; return; fi
    done
    return 1
}

if on_path; then exit; fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "test: no Chromium here; installing Debian's" >&2
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >&2
    if on_path; then exit; fi
fi
echo "test: missing: Chromium   ->  sudo apt-get install chromium, or CHROMIUM=/path/to/chromium make test" >&2
exit 1
