#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Does the compiler treat temporaries around `co_await` as recorded here?
#
# Usage: run_canary.sh [CXX [FLAG...]]      defaults: g++ -O1
#
# Passes when every pattern that Grove's API relies on is safe. A pattern recorded as bad may stay bad
# (those are what tests/tidy.py forbids); when it turns good that is said, and nothing fails.
set -uo pipefail

# Recorded with g++ 12.2 at -O0, -O1 and -O2. Whatever is not listed must be safe on every compiler.
readonly known_bad_gcc="
  aggregate_by_value
  aggregate_by_rvalue
  aggregate_by_forwarding
  aggregate_into_wrapper
  aggregate_designated
  aggregate_untyped_braces
  array_from_braces
  lambda_capturing_object
  lambda_capturing_string
  return_aggregate_around_await
  argument_beside_await
  named_aggregate_around_await
"
# Recorded with clang 14: every pattern is safe.
readonly known_bad_clang=""

cxx=${1:-g++}
shift || true
(($#)) || set -- -O1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if ! "$cxx" -std=c++20 "$@" -g -fsanitize=address "$here/gcc12_coroutine_canary.cpp" \
  -o "$work/canary"; then
  echo "canary: $cxx cannot build it"
  exit 1
fi

if "$cxx" -dM -E -x c++ /dev/null | grep -q __clang__; then
  known_bad=$known_bad_clang
else
  known_bad=$known_bad_gcc
fi

# The program counts leaks itself; LeakSanitizer would fail where ptrace is not allowed.
export ASAN_OPTIONS=detect_leaks=0
cases=0 regressions=0 still_bad=0
while read -r name; do
  cases=$((cases + 1))
  recorded=safe
  [[ $known_bad =~ [[:space:]]${name}[[:space:]] ]] && recorded=bad
  actual=bad
  # In a subshell of its own, whose standard error swallows the shell's note about the abort.
  if (timeout 20 "$work/canary" "$name") >/dev/null 2>&1; then actual=safe; fi

  case $recorded/$actual in
    safe/safe) verdict="safe" ;;
    bad/bad)
      verdict="bad, as recorded"
      still_bad=$((still_bad + 1))
      ;;
    bad/safe) verdict="SAFE NOW: the record can be shortened for this compiler" ;;
    safe/bad)
      verdict="REGRESSION: recorded as safe"
      regressions=$((regressions + 1))
      ;;
  esac
  printf '%-32s %s\n' "$name" "$verdict"
done < <("$work/canary" --list)

echo "canary: $cxx $*: $cases patterns, $still_bad bad as recorded, $regressions regressions"
((cases > 0 && regressions == 0))
