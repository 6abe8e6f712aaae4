#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Chaos in containers: finds or starts an engine, makes the image, runs chaos.py --containers with
# the arguments given. Called by `./dev chaos`. Needs what smoke.sh needs, and python3.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly repository
readonly binaries=${GROVE_BINARIES:-$repository/build/release/bin}
scratch=$(mktemp -d /tmp/grove-chaos-engine.XXXXXX)  # short: a socket's path has 108 bytes at most
readonly scratch
driver_pid=""

# shellcheck source=tests/chaos/engine.sh
source "$repository/tests/chaos/engine.sh"

clean_up() {
  local status=$?
  trap '' INT TERM
  set +e
  if [[ -n $driver_pid ]]; then  # interrupted: it ends its containers first
    kill -TERM "$driver_pid" 2>/dev/null
    wait "$driver_pid"
  fi
  docker image rm "$GROVE_IMAGE" >/dev/null 2>&1
  engine_stop
  rm -rf --one-file-system "$scratch"
  exit "$status"
}

export GROVE_IMAGE=grove-chaos-$$:latest
trap clean_up EXIT
trap 'fail interrupted' INT TERM

engine_start
base_image_find
image_build
python3 "$repository/tests/chaos/chaos.py" --bin "$binaries" --containers "$@" &
driver_pid=$!
status=0
wait "$driver_pid" || status=$?
driver_pid=""
((status == 0))
