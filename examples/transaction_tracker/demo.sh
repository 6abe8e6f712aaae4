#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The story of a cluster that loses a node and lives: three nodes on this machine's loopback, a
# tracker that crashes, a node that is killed, a standby that takes over, a new life.
#
#   demo.sh FOLDER_WITH_THE_BINARIES
#
# Ends with 0 only when everything it claims has happened.
set -euo pipefail

bin=${1:?the folder with the binaries}
work=$(mktemp -d)
export GROVE_RUN_DIR=$work
unset GROVE_COOKIE GROVE_COOKIE_FILE GROVE_NODE GROVE_NAME GROVE_LISTEN GROVE_JOIN GROVE_ADVERTISE
declare -A process

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

clean_up() {
  for name in "${!process[@]}"; do kill -9 "${process[$name]}" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT

step() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
say() { printf '  %s\n' "$1"; }
show() { printf '%s  $ grove %s%s\n' "$dim" "$*" "$plain" && grove "$@" | sed 's/^/    /'; }
fail() {
  printf '\ndemo: FAILED: %s\n' "$1" >&2
  for log in "$work"/*.log; do printf -- '--- %s\n' "$(basename "$log")" >&2 && tail -n 20 "$log" >&2; done
  exit 1
}
grove() { "$bin/grove" "$@"; }
node() { grove "$@" 2>/dev/null || true; }

# eventually WHAT COMMAND...: tries until the command succeeds, for at most 20 seconds.
eventually() {
  local what=$1 tries=0
  shift
  until "$@" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 400 ] || fail "$what"
    sleep 0.05
  done
}

# start NAME ARGS...: a node as a process of its own.
start() {
  local name=$1
  shift
  "$bin/transaction_tracker" run --name "$name" "$@" >>"$work/$name.log" 2>&1 &
  process[$name]=$!
  eventually "node $name does not start" grove health --node "$name"
}

members_up() { grove members --json --node "$1" | grep -o '"state":"up"' | wc -l; }
sees_members() { [ "$(members_up "$1")" -eq "$2" ]; }
all_see() { for name in a b c; do sees_members "$name" "$1" || return 1; done; }
holder() { grove whereis "$2" --node "$1" --json | sed 's/.*"node":"\([^"]*\)".*/\1/'; }
pid_of() { node whereis "$2" --node "$1"; }
held_by() { [ "$(holder "$1" "$2")" = "$3" ]; }
another_pid() { local now && now=$(pid_of "$1" "$2") && [ -n "$now" ] && [ "$now" != "$3" ]; }
logged() { grep -q "$2" "$work/$1.log"; }
# Milliseconds from $1 (HH:MM:SS.mmm) to the log line of node $2 that matches $3.
since() {
  local line && line=$(grep -m1 "$3" "$work/$2.log") || return 1
  echo "$1 ${line%% *}" | awk '{
    split($1, a, ":"); split($2, b, ":")
    d = (b[1]-a[1])*3600000 + (b[2]-a[2])*60000 + (b[3]-a[3])*1000
    if (d < 0) d += 86400000
    printf "%d", d }'
}

step "1. Three nodes, each a program of its own, find each other"
start a --track txn-1 --track txn-2 --watch --standby txn-5
address=$(grove members --node a --json | sed 's/.*"address":"\([^"]*\)".*/\1/')
start b --join "$address" --track txn-3 --track txn-4 --watch
start c --join "$address" --track txn-5 --track txn-6 --watch
eventually "not every node sees three members" all_see 3
show members --node b

step "2. Each transaction has a tracker, somewhere; every node finds it by its id"
for name in a b c; do
  for id in txn-1 txn-3 txn-5; do eventually "node $name does not find $id" grove whereis "$id" --node "$name"; done
done
show names --node c
show tree --node a

step "3. A tracker crashes, on purpose; its supervisor starts another, under the same id"
before=$(pid_of a txn-3)
show kill txn-3 its_a_crash --node a
for name in a b c; do eventually "node $name does not see the new txn-3" another_pid "$name" txn-3 "$before"; done
after=$(pid_of a txn-3)
say "txn-3 was $before, is now $after, as seen from every node"

step "4. Node c is killed (SIGKILL) while others monitor its trackers"
for name in a b; do
  for id in txn-5 txn-6; do eventually "the watcher on $name does not monitor $id" logged "$name" "MONITOR $id"; done
done
eventually "the standby on a does not monitor txn-5" logged a "standby: MONITOR txn-5"
victim=$(pid_of a txn-6)
killed_at=$(date +%H:%M:%S.%3N)
kill -9 "${process[c]}"
wait "${process[c]}" 2>/dev/null || true
for name in a b; do
  for id in txn-5 txn-6; do eventually "$name got no DOWN for $id" logged "$name" "DOWN $id .* noconnection"; done
done
down_a=$(since "$killed_at" a "DOWN txn-6 .* noconnection")
down_b=$(since "$killed_at" b "DOWN txn-6 .* noconnection")
grep -h "watcher: DOWN txn-[56]" "$work/a.log" "$work/b.log" | sed 's/^/    /'
for name in a b; do
  for id in txn-5 txn-6; do
    [ "$(grep -c "DOWN $id .* noconnection" "$work/$name.log")" -eq 1 ] || fail "$name got more than one DOWN for $id"
  done
done
say "each monitor fired once: $down_a ms (a) and $down_b ms (b) after the kill"

step "5. A standby on node a held a monitor on txn-5: it takes the name over"
for name in a b; do eventually "node $name does not see the takeover" held_by "$name" txn-5 a; done
show whereis txn-5 --node b
[ -z "$(pid_of b txn-6)" ] || fail "txn-6 is still registered, though its node is dead"
say "txn-6 had no standby: its name is free"

step "6. Node c comes back: a new life, to which the old pids mean nothing"
start c --join "$address" --track txn-5 --track txn-6 --watch
eventually "the new c is not seen by all" all_see 3
eventually "txn-6 does not come back" another_pid a txn-6 "$victim"
reborn=$(pid_of a txn-6)
say "txn-6 was $victim"
say "       is  $reborn"
if former=$(grove info "$victim" --node c 2>&1); then fail "the old pid still means somebody: $former"; fi
case $former in *"former life"*) ;; *) fail "unexpected answer for the old pid: $former" ;; esac
say "node c says of the old pid: ${former#grove: }"
grove kill "$victim" --node a >/dev/null
eventually "txn-6 is gone" grove whereis txn-6 --node b
[ "$(pid_of b txn-6)" = "$reborn" ] || fail "a kill aimed at the old pid hit the new process"
say "a kill sent to it reached nobody: $reborn lives"
eventually "txn-5 has two holders" held_by c txn-5 a
say "txn-5 stays with its standby on a: c found the name taken and left it alone"
show members --node a

step "7. All stop in good order"
for name in c b a; do
  grove stop --node "$name" >/dev/null || fail "node $name does not stop"
  wait "${process[$name]}" || fail "node $name ended with code $?"
  unset "process[$name]"
done

cat <<TXT

${bold}What happened${plain}
  3 nodes joined through one address, 6 trackers were found by id from every node
  a crashed tracker was restarted by its supervisor:     txn-3 ${before##*:} -> ${after##*:} on b
  node c was killed:   DOWN(noconnection) on a after $down_a ms, on b after $down_b ms, each once
  the standby on a took over txn-5; txn-6 was free until c's new life registered it again
  a pid of c's first life reaches nobody in its second
demo: passed
TXT
