#!/usr/bin/env bash
# Installs pytest-energy for the action: VERSION of the package index, the action's own where that
# is empty, nothing where it is "none"; with the extras of EXTRAS, and the comment's.
set -euo pipefail

fail() {
  echo "::error title=pytest-energy::$1"
  exit 2
}

version=${VERSION-}
[[ $version == none ]] && exit 0

extras=${EXTRAS-}
extras=github,${extras//[[:space:]]/}
[[ $extras =~ ^[A-Za-z0-9,._-]+$ ]] || fail "extras: expected names separated by commas"

if [[ -z $version ]]; then
  what="${GITHUB_ACTION_PATH}[${extras%,}]"
elif [[ $version =~ ^[0-9][A-Za-z0-9.!+]*$ ]]; then
  what="pytest-energy[${extras%,}]==$version"
else
  fail "version: expected one such as 0.1.0, or none"
fi
python=$(command -v python || command -v python3) ||
  fail "there is no Python: name one with the input python-version"
"$python" -m pip install --disable-pip-version-check "$what"
