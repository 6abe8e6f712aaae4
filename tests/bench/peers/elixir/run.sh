#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: run.sh ROW
#
# Measures one row with Elixir and prints its lines, "row elixir value unit": the plain ones in
# fresh OS processes with two schedulers, those ending in .1c in fresh ones with one scheduler on
# CPU 0.
#
#   GROVE_BENCH_SCALE   multiplies the size of the row (default 1)
set -euo pipefail

fail() {
  echo "run.sh: $*" >&2
  exit 1
}

[[ $# -eq 1 ]] || fail "usage: run.sh ROW"
row=$1
case $row in
  registry_lookup | registry_whereis | registry_register) script=grove_bench_registry.exs ;;
  task_fanout) script=grove_bench_task.exs ;;
  pool_checkout) script=grove_bench_pool.exs ;;
  *) fail "no such row: $row" ;;
esac
[[ ${GROVE_BENCH_SCALE:-1} =~ ^[0-9]+(\.[0-9]+)?$ ]] || fail "GROVE_BENCH_SCALE is not a number"
for tool in elixir taskset setpriv timeout; do
  command -v "$tool" >/dev/null || fail "$tool is not installed"
done

sources=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
unset ERL_AFLAGS ERL_ZFLAGS ERL_LIBS ERL_FLAGS ELIXIR_ERL_OPTIONS
export ERL_CRASH_DUMP_SECONDS=0

pid=
stop() {
  if [[ -n $pid ]]; then
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  fi
}
trap stop EXIT
trap 'exit 130' INT TERM

for schedulers in 2 1; do
  suffix='' on_cpu=()
  if [[ $schedulers -eq 1 ]]; then
    suffix=.1c on_cpu=(taskset -c 0)
  fi
  setpriv --pdeathsig KILL timeout --foreground --signal KILL 180 "${on_cpu[@]}" \
    elixir --erl "+S $schedulers:$schedulers +P 2000000" "$sources/$script" "$row" "$suffix" \
    </dev/null &
  pid=$!
  wait "$pid" || fail "$row$suffix failed"
  pid=
done
