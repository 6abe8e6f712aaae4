# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Dyn do
  @moduledoc "Scripted Elixir DynamicSupervisors."
  use DynamicSupervisor
  alias Oracle.Log

  def start_link(path, max_restarts, max_seconds, max_children) do
    opts = [strategy: :one_for_one, max_restarts: max_restarts, max_seconds: max_seconds]
    opts = if max_children, do: [{:max_children, max_children} | opts], else: opts
    DynamicSupervisor.start_link(__MODULE__, {path, opts})
  end

  @impl true
  def init({path, opts}) do
    Log.born_child(path)
    Log.life(["start", self()])
    DynamicSupervisor.init(opts)
  end
end

defmodule Oracle.Tasks do
  @moduledoc "Scripted Elixir tasks, as seen by their owner."
  alias Oracle.{Log, Quiet, Term}

  def async(t, body), do: own(t, Task.async(fn -> body(t, body) end))

  def async_nolink(sup, t, body),
    do: own(t, Task.Supervisor.async_nolink(sup, fn -> body(t, body) end))

  def start_child(sup, t, body),
    do: Task.Supervisor.start_child(sup, fn -> body(t, body) end, restart: :temporary)

  defp own(t, task) do
    Log.born(t, task.pid)
    Process.put({:task, t}, task)
    Process.put({:task, task.ref}, t)
    :ok
  end

  @doc "The task `t` of the calling actor: {:ok, task} until its result or DOWN was handled."
  def open(t) do
    case Process.get({:task, t}) do
      nil -> :unknown
      :gone -> :gone
      task -> {:ok, task}
    end
  end

  def close(t), do: Process.put({:task, t}, :gone)

  defp body(t, word) do
    Log.born(t)

    case String.split(word, ":", parts: 3) do
      ["ret", x] ->
        Term.parse(x)

      ["raise", x] ->
        :erlang.error(Term.parse(x))

      ["exit", r] ->
        exit(Term.parse(r))

      ["sleep", ms, x] ->
        ms = String.to_integer(ms)
        Quiet.busy(ms, fn -> Process.sleep(ms) end)
        Term.parse(x)

      ["block"] ->
        released()

      ["trap_block"] ->
        Process.flag(:trap_exit, true)
        released()
    end
  end

  defp released do
    receive do
      {:release, "raise:" <> x} -> :erlang.error(Term.parse(x))
      {:release, "exit:" <> r} -> exit(Term.parse(r))
      {:release, x} -> Term.parse(x)
    end
  end
end
