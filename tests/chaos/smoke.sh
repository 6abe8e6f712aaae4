#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Compose smoke test: three containers form a cluster, one is killed, the other two say so, it
# comes back. Called by `./dev chaos --smoke`. What is worse is done to nodes by chaos.py.
#
#   GROVE_BINARIES=DIR   folder of the binaries `grove` and `transaction_tracker`
#                        (default: build/release/bin of this checkout)
#
# What it asks of the programs: `grove members --json` and `grove health --ready` as documented,
# and these lines in the log of a node that runs with --watch, for every tracker of another node:
#   watcher: MONITOR txn-c-1 <pid>             when the monitor is in place, each time anew
#   watcher: DOWN txn-c-1 <pid> noconnection   when that node is gone
#
# Needs: docker (a running engine, or root and dockerd), docker-compose 1.29 or `docker compose`,
# and debootstrap where no registry can be reached. Everything it starts, it stops.
# Exit: 0 passed, 1 failed (the logs of all containers are printed).
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly repository
readonly binaries=${GROVE_BINARIES:-$repository/build/release/bin}
readonly nodes=(a b c)
readonly trackers=(1 2 3)   # `--trackers 3` of docker-compose.yml
readonly deadline_s=60      # of every wait; ten times what a slow machine needs
readonly project="grove-smoke-$$"
scratch=$(mktemp -d /tmp/grove-smoke.XXXXXX)  # short: a socket's path has 108 bytes at most
readonly scratch

compose=()                  # the compose command, set by compose_find
declare -A container=()     # node name -> container id, set by cluster_start

# expect DESCRIPTION COMMAND...: waits for COMMAND, then reports the step as done.
expect() {
  local description=$1
  shift
  wait_until "$deadline_s" "$@" || fail "not within $deadline_s s: $description"
  step "$description"
}

# shellcheck source=tests/chaos/engine.sh
source "$repository/tests/chaos/engine.sh"

compose_find() {
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    fail "neither 'docker compose' nor docker-compose is installed"
  fi
  compose+=(--project-name "$project" --file "$repository/docker-compose.yml")
}

compose_quietly() {
  "${compose[@]}" "$@" >>"$scratch/compose.log" 2>&1 || {
    cat "$scratch/compose.log" >&2
    fail "compose $*"
  }
}

cluster_start() {
  local node
  compose_quietly up -d --no-build
  for node in "${nodes[@]}"; do
    container[$node]=$("${compose[@]}" ps -q "$node" 2>/dev/null)
    [[ -n ${container[$node]} ]] || fail "compose started no container for $node"
  done
  step "cluster: started ${nodes[*]}"
}

# Names of the members that NODE holds to be up, sorted: "a b c".
members_up() {
  local json
  json=$(timeout 10 docker exec "${container[$1]}" grove members --json 2>/dev/null) || return 0
  tr -d '[:space:]' <<<"$json" | tr '{' '\n' |
    sed -n '/"state":"up"/s/.*"name":"\([^"]*\)".*/\1/p' | sort | paste -s -d ' '
}

# see NODES NAMES: each of NODES holds exactly NAMES to be up.
see() {
  local node
  for node in $1; do
    [[ $(members_up "$node") == "$2" ]] || return 1
  done
}

healthy() {
  local node
  for node in "${nodes[@]}"; do
    [[ $(docker inspect --format '{{.State.Health.Status}}' "${container[$node]}") == healthy ]] ||
      return 1
  done
}

# watcher_lines NODE PATTERN: how many log lines of NODE's watcher match.
watcher_lines() {
  docker logs "${container[$1]}" 2>&1 | grep -c -E "watcher: .*$2" || true
}

# watched_by NODES OWNER TIMES: the logs of NODES show TIMES a watcher line that is no DOWN for
# each tracker of OWNER. A monitor must be in place before the kill, or DOWN is `noproc`, rightly.
watched_by() {
  local node number
  for node in $1; do
    for number in "${trackers[@]}"; do
      (($(watcher_lines "$node" "MONITOR txn-$2-$number( |\$)") >= $3)) || return 1
    done
  done
}

# downs_of OWNER NODES MIN MAX: the log of each of NODES has MIN to MAX lines DOWN noconnection for
# each tracker of OWNER.
downs_of() {
  local node number count
  for node in $2; do
    for number in "${trackers[@]}"; do
      count=$(watcher_lines "$node" "DOWN txn-$1-$number .*noconnection")
      ((count >= $3 && count <= $4)) || return 1
    done
  done
}

print_logs() {
  local node
  for node in "${!container[@]}"; do
    printf '\n--- members seen from %s: %s\n--- log of %s\n' "$node" "$(members_up "$node")" "$node"
    docker logs --tail 200 "${container[$node]}" 2>&1 || true
  done
}

clean_up() {
  local status=$?
  trap '' INT TERM
  set +e
  ((status == 0)) || print_logs >&2
  if ((${#compose[@]} > 0)); then
    "${compose[@]}" down -v -t 5 >>"$scratch/compose.log" 2>&1 || cat "$scratch/compose.log" >&2
    docker image rm "$GROVE_IMAGE" >/dev/null 2>&1
  fi
  engine_stop
  rm -rf --one-file-system "$scratch"
  if ((status == 0)); then
    step "everything stopped"
    echo "compose smoke: passed"
    exit 0
  fi
  echo "compose smoke: FAILED"
  exit 1
}
trap clean_up EXIT
trap 'fail interrupted' INT TERM

GROVE_COOKIE=$(head -c 24 /dev/urandom | base64)
GROVE_IMAGE=$project:latest
export GROVE_COOKIE GROVE_IMAGE

engine_start
base_image_find
image_build
compose_find
cluster_start
expect "a, b and c each see a, b, c up" see "a b c" "a b c"
expect "every container is healthy" healthy
expect "a and b watch the trackers of c" watched_by "a b" c 1

docker kill "${container[c]}" >/dev/null
step "killed c"
expect "a and b each saw DOWN noconnection for every tracker of c" downs_of c "a b" 1 99
expect "a and b each see only a, b up" see "a b" "a b"

compose_quietly start c
step "started c again"
expect "a, b and c each see a, b, c up" see "a b c" "a b c"
expect "a and b watch the new trackers of c" watched_by "a b" c 2
expect "c watches the trackers of a" watched_by c a 2
expect "c watches the trackers of b" watched_by c b 2
downs_of c "a b" 1 1 || fail "some tracker of c was reported DOWN more than once"
downs_of a b 0 0 || fail "b took a for dead, which was alive"
downs_of b a 0 0 || fail "a took b for dead, which was alive"
step "each DOWN came once, and no living node was taken for dead"
