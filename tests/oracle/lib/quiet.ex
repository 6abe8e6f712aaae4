# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Quiet do
  @moduledoc """
  Quiescence of one node, without touching the processes under test.

  A node is quiet when, in two consecutive scans with a scheduler barrier
  between them, every process is `waiting`, no process is exiting, no
  reduction was spent in between, and nothing *awaited* is outstanding. Awaited
  things are kept in the public table `:oracle_awaited`:

    {{:busy, pid}}          pid is in a scripted wait (ends with the entry or the pid)
    {{:timer, ref}}         a timer that must fire (or be cancelled) first
    {{:gs_timeout, pid}}    a server's own short timeout
  """
  @table :oracle_awaited
  @awaited_below 1000

  @doc "Remembers the processes that are there before any script."
  def setup, do: :persistent_term.put(:oracle_baseline, MapSet.new(Process.list()))

  def baseline, do: :persistent_term.get(:oracle_baseline)

  @doc "Waits shorter than this many milliseconds are awaited by the barrier."
  def awaited?(ms), do: is_integer(ms) and ms < @awaited_below

  def await(key), do: :ets.insert(@table, {key})
  def done(key), do: :ets.delete(@table, key)

  @doc "Runs `fun` marked as busy when `ms` is an awaited time."
  def busy(ms, fun) do
    if awaited?(ms), do: await({:busy, self()})

    try do
      fun.()
    after
      done({:busy, self()})
    end
  end

  @doc "Waits until the node is quiet; `:hang` when that takes longer than `limit` ms."
  def wait(limit \\ 20_000) do
    rounds(nil, System.monotonic_time(:millisecond) + limit)
  end

  defp rounds(last, deadline) do
    now = scan()

    cond do
      is_list(now) and now == last -> :ok
      System.monotonic_time(:millisecond) > deadline -> :hang
      true -> rounds(now, deadline)
    end
  end

  @doc "One scan: the sorted list of {pid, reductions}, or :busy."
  def scan do
    if outstanding?() do
      Process.sleep(1)
      :busy
    else
      # answered by every scheduler thread from its main loop: any process that
      # was in the middle of exiting has sent all its signals afterwards
      :erlang.statistics(:io)
      snapshot(Process.list() -- [self()], [])
    end
  end

  defp snapshot([], acc), do: Enum.sort(acc)

  defp snapshot([pid | rest], acc) do
    case Process.info(pid, [:status, :reductions]) do
      [status: :waiting, reductions: r] -> snapshot(rest, [{pid, r} | acc])
      _ -> :busy
    end
  end

  defp outstanding? do
    Enum.any?(:ets.tab2list(@table), fn
      {{:busy, pid} = key} -> keep?(key, Process.alive?(pid))
      {{:gs_timeout, pid} = key} -> keep?(key, Process.alive?(pid))
      {{:timer, ref} = key} -> keep?(key, :erlang.read_timer(ref) != false)
    end)
  end

  defp keep?(_, true), do: true

  defp keep?(key, false) do
    done(key)
    false
  end

  @doc "Kills every process that came after `setup`, except those in `ignore`."
  def sweep(ignore) do
    baseline = baseline()
    left = Enum.reject(Process.list(), &(&1 in baseline or &1 in ignore or &1 == self()))
    Enum.each(left, &Process.exit(&1, :kill))
    :ets.delete_all_objects(@table)
    if left != [], do: sweep(ignore)
    :ok
  end
end
