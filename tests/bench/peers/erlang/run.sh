#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: run.sh ROW
#
# Measures one row with Erlang/OTP and prints its lines, "row erlang value unit": the plain ones in
# fresh OS processes with two schedulers, those ending in .1c in fresh ones with one scheduler on
# CPU 0.
#
#   GROVE_BENCH_SCALE   multiplies the size of the row (default 1)
#   GROVE_BENCH_CACHE   where the compiled modules go (default /tmp/grove-bench-$UID)
#
# No epmd is started, nodes listen on 127.0.0.1 under a random cookie, and nothing is left running.
set -euo pipefail

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

[[ $# -eq 1 ]] || fail "usage: run.sh ROW"
row=$1
case $row in
  pingpong | fanin | ring | spawn | skynet | supervisor_restarts | dynsup_start | call | link_storm | \
    timers | remote_latency | remote_call | name_lookup)
    variants=(2 1)
    ;;
  idle_memory | blocked_worker | remote_throughput | remote_large | monitor_down | kill_to_down | \
    blackhole_to_down | idle_cpu | name_register | group_join)
    variants=(2)
    ;;
  *) fail "no such row: $row" ;;
esac
[[ ${GROVE_BENCH_SCALE:-1} =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "GROVE_BENCH_SCALE is not a number"
for tool in erl erlc taskset setpriv; do
  command -v "$tool" >/dev/null || fail "$tool is not installed"
done

sources=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${GROVE_BENCH_CACHE:-/tmp/grove-bench-$UID}
(umask 077 && mkdir -p "$cache/erlang")
[[ -O $cache ]] || fail "$cache belongs to somebody else"
cd "$cache/erlang"

# A module is compiled unless the copy of its source kept beside it is what we have.
for module in grove_bench_epmd grove_bench_peer grove_bench_local grove_bench_remote grove_bench_names; do
  if ! cmp -s "$sources/$module.erl" "$module.erl" || [[ ! -f $module.beam ]]; then
    scratch=$(mktemp -d compile.XXXXXX)
    cp "$sources/$module.erl" "$scratch"
    (cd "$scratch" && erlc -Wall "$module.erl") || { rm -r "$scratch" && fail "erlc failed"; }
    mv "$scratch/$module".* .
    rmdir "$scratch"
  fi
done

unset ERL_AFLAGS ERL_ZFLAGS ERL_LIBS
export ERL_CRASH_DUMP_SECONDS=0
cookie=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

pid=
stop() {
  if [[ -n $pid ]]; then
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  fi
}
trap stop EXIT
trap 'exit 130' INT TERM

for schedulers in "${variants[@]}"; do
  suffix='' on_cpu=()
  if [[ $schedulers -eq 1 ]]; then
    suffix=.1c on_cpu=(taskset -c 0)
  fi
  # By way of the environment, so that a second node starts with the same flags. Log events go to
  # standard error: standard output carries the figures. Some rows have a million processes.
  export ERL_FLAGS="+S $schedulers:$schedulers +P 2000000 -noshell -pa . -setcookie $cookie \
    -start_epmd false -epmd_module grove_bench_epmd -kernel inet_dist_use_interface {127,0,0,1} \
    -kernel logger [{handler,default,logger_std_h,#{config=>#{type=>standard_error}}}]"
  setpriv --pdeathsig KILL "${on_cpu[@]}" \
    erl -name main@127.0.0.1 -run grove_bench_peer main "$row" "$suffix" </dev/null &
  pid=$!
  wait "$pid" || fail "$row$suffix failed"
  pid=
done
