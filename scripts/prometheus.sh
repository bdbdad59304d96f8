#!/bin/sh
# Prints a folder with `prometheus`, `promtool`, `alertmanager` and `amtool`: the one named by PROMETHEUS_BIN, else links in
# .make/prometheus to those on the PATH, else to Debian's packages, unpacked there. Nothing is installed, so anybody may run it.
set -eu
cd "$(dirname "$0")/.."
PROGRAMS="prometheus promtool alertmanager amtool"
here=$PWD/.make/prometheus

whole() { # whole FOLDER: all four are there and run
    for program in $PROGRAMS; do "$1/$program" --version >/dev/null 2>&1 || return 1; done
}

if [ -n "${PROMETHEUS_BIN:-}" ]; then
    if whole "$PROMETHEUS_BIN"; then echo "$PROMETHEUS_BIN"; exit; fi
    echo "test: PROMETHEUS_BIN=$PROMETHEUS_BIN lacks one of: $PROGRAMS" >&2
    exit 1
fi
if whole "$here"; then echo "$here"; exit; fi
mkdir -p "$here"
# One at a time: two runs in one checkout would unpack over each other.
if command -v flock >/dev/null; then exec 9>.make/prometheus.lock; flock 9; fi

link() { # link NAME...: the first of these that is on the PATH, under the first name
    for name in "$@"; do
        found=$(command -v "$name" || true)
        if [ -n "$found" ]; then ln -sf "$found" "$here/$1"; return; fi
    done
}

unpacked() { # unpacked APT_OPTION...: fetch both packages and take their programs
    fetched=$(mktemp -d)
    if (cd "$fetched" && apt-get "$@" download prometheus prometheus-alertmanager); then
        for package in "$fetched"/*.deb; do dpkg-deb -x "$package" "$fetched/root"; done
        for program in prometheus promtool amtool; do mv "$fetched/root/usr/bin/$program" "$here/$program"; done
        own_alertmanager "$fetched/root/usr"
        rm -rf "$fetched"
        return
    fi
    rm -rf "$fetched"
    return 1
}

# Debian's Alertmanager reads its templates from /usr/share, where only root can put them. In our copy that path becomes one
# of the same length, relative to the folder of the program, and it is started there: name its files by whole paths.
own_alertmanager() {
    rm -rf "$here/share"
    mv "$1/share" "$here/share"
    LC_ALL=C sed 's#/usr/share/prometheus/alertmanager#././/share/prometheus/alertmanager#g' \
        "$1/bin/prometheus-alertmanager" >"$here/alertmanager.debian"
    printf '#!/bin/sh\ncd "$(dirname "$0")" && exec ./alertmanager.debian "$@"\n' >"$here/alertmanager"
    chmod +x "$here/alertmanager" "$here/alertmanager.debian"
}

own_lists() { # the package lists in a folder of ours: neither root's rights nor the machine's lists are needed
    lists=$PWD/.make/apt
    mkdir -p "$lists/state/lists/partial" "$lists/cache/archives/partial"
    set -- -o Dir::State="$lists/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$lists/cache" -o APT::Sandbox::User=
    apt-get "$@" update && unpacked "$@"
}

link prometheus
link promtool
link alertmanager prometheus-alertmanager
link amtool
if ! whole "$here" && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
    echo "test: no Prometheus and Alertmanager here; unpacking Debian's into .make/prometheus" >&2
    rm -rf "${here:?}"/*
    { unpacked -o APT::Sandbox::User= 2>/dev/null || own_lists; } >.make/prometheus.log 2>&1 || true
fi
if whole "$here"; then echo "$here"; exit; fi
echo "test: missing: Prometheus and Alertmanager   ->  sudo apt-get install prometheus prometheus-alertmanager," \
    "or PROMETHEUS_BIN=/folder/with/them make test   (what was tried: .make/prometheus.log)" >&2
exit 1
