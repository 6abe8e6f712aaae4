# SPDX-License-Identifier: Apache-2.0
#
# Elixir's side of those of Grove's benchmark rows that are about its libraries. run.sh starts it:
#
#     elixir ... grove_bench_registry.exs ROW SUFFIX
#
# prints "ROW SUFFIX elixir VALUE UNIT" and ends: with 0 if all went well. Every row is one
# measurement after a warm-up of a tenth of its size. GROVE_BENCH_SCALE multiplies the sizes.
defmodule GroveBench.Registry do
  @stride 611_953

  def run("registry_lookup"), do: warm_then_run(&look_up(&1, fn key -> lookup(key) end))
  def run("registry_whereis"), do: warm_then_run(&look_up(&1, fn key -> whereis(key) end))
  def run("registry_register"), do: warm_then_run(&register/1)

  # Two processes look 2 N keys up, in an order that no cache likes, among N that a third has.
  defp look_up(n, look) do
    with_registry(fn ->
      for key <- 0..(n - 1), do: {:ok, _} = Registry.register(__MODULE__, key, nil)
      2 * n / timed(fn -> in_two(fn half -> look_up_loop(look, half, n, n) end) end)
    end)
  end

  defp look_up_loop(_look, _half, _n, 0), do: :ok

  defp look_up_loop(look, half, n, left) do
    look.(rem((left + half) * @stride, n))
    look_up_loop(look, half, n, left - 1)
  end

  defp lookup(key), do: [{_, nil}] = Registry.lookup(__MODULE__, key)
  defp whereis(key), do: true = is_pid(Registry.whereis_name({__MODULE__, key}))

  # Two processes register N keys, half of them each.
  defp register(n) do
    with_registry(fn ->
      n / timed(fn -> in_two(fn half -> register_loop(half, div(n, 2)) end) end)
    end)
  end

  defp register_loop(_half, 0), do: :ok

  defp register_loop(half, left) do
    {:ok, _} = Registry.register(__MODULE__, 2 * left + half, nil)
    register_loop(half, left - 1)
  end

  # Both stay until the clock has stopped: what follows their end is not measured.
  defp in_two(work) do
    owner = self()

    pids =
      for half <- 0..1 do
        spawn(fn ->
          work.(half)
          send(owner, {:done, self()})
          receive do: (:never -> :ok)
        end)
      end

    for pid <- pids, do: receive(do: ({:done, ^pid} -> :ok))
  end

  defp with_registry(work) do
    task =
      Task.async(fn ->
        partitions = System.schedulers_online()
        {:ok, _} = Registry.start_link(keys: :unique, name: __MODULE__, partitions: partitions)
        Process.flag(:trap_exit, true)
        work.()
      end)

    rate = Task.await(task, :infinity)
    wait_until_gone()
    rate
  end

  defp wait_until_gone do
    if Process.whereis(__MODULE__) do
      Process.sleep(1)
      wait_until_gone()
    end
  end

  defp warm_then_run(measure) do
    n = max(1000, round(1_000_000 * scale()))
    measure.(div(n, 10))
    measure.(n)
  end

  defp scale do
    {scale, ""} = Float.parse(System.get_env("GROVE_BENCH_SCALE", "1"))
    scale
  end

  defp timed(work) do
    {microseconds, _} = :timer.tc(work)
    microseconds / 1.0e6
  end
end

[row, suffix] = System.argv() ++ List.duplicate("", 2 - length(System.argv()))
rate = GroveBench.Registry.run(row)
IO.puts("#{row}#{suffix} elixir #{:erlang.float_to_binary(rate, decimals: 0)} op/s")
