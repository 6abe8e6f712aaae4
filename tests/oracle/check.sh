#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Determinism check: check.sh LEVEL FROM TO [RUNS] [OPS]
# Generates scripts for seeds FROM..TO, runs each RUNS times with different
# scheduler counts, and compares the logs.
set -e
here=$(cd "$(dirname "$0")" && pwd)
level=$1 from=$2 to=$3 runs=${4:-3} ops=${5:-40}
dir=${TMPDIR:-/tmp}/oracle_check_l$level
rm -rf "$dir" && mkdir -p "$dir/in"
for seed in $(seq "$from" "$to"); do
  python3 "$here/gen.py" --level "$level" --seed "$seed" --ops "$ops" > "$dir/in/s$seed.script"
done
for run in $(seq 1 "$runs"); do
  case $run in 1) s=1 ;; 2) s=2 ;; *) s=4 ;; esac
  elixir --erl "+S $s:$s" "$here/oracle.exs" --dir "$dir/in" --out "$dir/out$run" || echo "run $run: failures"
done
for run in $(seq 2 "$runs"); do
  diff -rq "$dir/out1" "$dir/out$run" || true
done
echo "level $level: seeds $from..$to, $runs runs compared"
