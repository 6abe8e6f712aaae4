# SPDX-License-Identifier: Apache-2.0
#
# Elixir's side of Grove's benchmark row about tasks; see grove_bench_registry.exs.
defmodule GroveBench.Task do
  # N tasks, 8 at a time, and their results in order.
  def fanout(n) do
    {microseconds, sum} =
      :timer.tc(fn ->
        0..(n - 1)
        |> Task.async_stream(fn number -> number + 1 end, max_concurrency: 8)
        |> Enum.reduce(0, fn {:ok, number}, sum -> sum + number end)
      end)

    true = sum == div(n * (n + 1), 2)
    n / microseconds * 1.0e6
  end
end

["task_fanout", suffix] = System.argv() ++ List.duplicate("", 2 - length(System.argv()))
{scale, ""} = Float.parse(System.get_env("GROVE_BENCH_SCALE", "1"))
n = max(10, round(10_000 * scale))
GroveBench.Task.fanout(div(n, 10))
rate = GroveBench.Task.fanout(n)
IO.puts("task_fanout#{suffix} elixir #{:erlang.float_to_binary(rate, decimals: 0)} task/s")
