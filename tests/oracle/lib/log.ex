# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Log do
  @moduledoc """
  The collector: one process per node (`:oracle_log`). Knows every actor's
  name, monitors every actor, and keeps the step's raw events in the order in
  which they arrived. Nothing is formatted here.

  Raw events:
    {:result, step, value}
    {:life, pid, parts}                   ordered lifecycle line
    {:ev, pid, source, kind, parts}       kind: :own | :recv | :death
    {:died, pid, reason}
  """
  @name :oracle_log

  def start do
    caller = self()

    pid =
      spawn(fn ->
        Process.register(self(), @name)
        Process.flag(:trap_exit, true)
        :ets.new(:oracle_awaited, [:named_table, :public, :set])
        :ets.new(:oracle_labels, [:named_table, :public, :set])
        send(caller, {:log_ready, self()})
        loop(fresh())
      end)

    receive do
      {:log_ready, ^pid} -> pid
    end
  end

  # asynchronous: an event of the calling actor
  def own(parts), do: send(@name, {:ev, self(), nil, :own, parts})
  def recv(source, parts), do: send(@name, {:ev, self(), source, :recv, parts})
  def death(source, parts), do: send(@name, {:ev, self(), source, :death, parts})
  @doc "A lifecycle line of the calling process."
  def life(parts), do: call({:life, self(), parts})
  @doc "Start of the latest `path#n` failed; its down line is dropped (it races with what its parent does next)."
  def failed(path, parts), do: call({:failed, path, parts})
  def result(step, value), do: send(@name, {:result, step, value})

  # synchronous; lifecycle events are, so that they are recorded before what they cause
  @doc "Names `pid`; idempotent for a pid that already has a name."
  def born(name, pid \\ self()), do: call({:born, name, pid})
  @doc "Names the calling supervised process `path#n` and returns n. Its death is a lifecycle line."
  def born_child(path), do: call({:born_child, path, self()})
  @doc "Name -> pid (`path` means the latest incarnation `path#n`) or nil."
  def resolve(name), do: call({:resolve, name})
  @doc "Events since the last take, in order, and the pid -> name map."
  def take, do: call(:take)
  def learn(names), do: call({:learn, names})
  def reset, do: call(:reset)

  defp call(req) do
    ref = make_ref()
    send(@name, {:call, self(), ref, req})

    receive do
      {^ref, answer} -> answer
    end
  end

  defp fresh, do: %{names: %{}, pids: %{}, counts: %{}, failed: MapSet.new(), events: []}

  defp add(st, ev), do: %{st | events: [ev | st.events]}

  defp down(st, pid, reason),
    do: if(pid in st.failed, do: st, else: add(st, {:life, pid, ["down", pid, reason]}))

  # Records all deaths that caused what is about to be recorded: after the
  # barrier every process that was exiting has sent all its signals.
  defp drain(st) do
    :erlang.statistics(:io)
    drain_exits(st)
  end

  defp drain_exits(st) do
    receive do
      {:EXIT, pid, reason} -> drain_exits(down(st, pid, reason))
    after
      0 -> st
    end
  end

  defp loop(st) do
    receive do
      {:call, from, ref, :take} ->
        send(from, {ref, {Enum.reverse(st.events), st.names}})
        loop(%{st | events: []})

      {:call, from, ref, req} ->
        {answer, st} = handle(req, st)
        send(from, {ref, answer})
        loop(st)

      {:DOWN, _, :process, pid, reason} ->
        loop(add(st, {:died, pid, reason}))

      {:EXIT, pid, reason} ->
        loop(down(st, pid, reason))

      ev ->
        loop(add(st, ev))
    end
  end

  defp handle({:born, name, pid}, st) do
    if Map.has_key?(st.names, pid) do
      {:ok, st}
    else
      Process.monitor(pid)
      {:ok, put(st, name, pid)}
    end
  end

  defp handle({:born_child, path, pid}, st) do
    n = Map.get(st.counts, path, 0) + 1
    # A link made after the supervisor's: an exiting process sends to its links
    # before its monitors, and to the latest link first, so that the collector
    # knows of the death before the supervisor can act on it.
    Process.link(pid)
    st = put(drain(st), "#{path}##{n}", pid)

    {n,
     %{st | counts: Map.put(st.counts, path, n), pids: Map.put(st.pids, path, pid)}}
  end

  defp handle({:life, pid, parts}, st), do: {:ok, add(drain(st), {:life, pid, parts})}

  defp handle({:failed, path, parts}, st) do
    pid = st.pids[path]
    st = drain(st)
    events = Enum.reject(st.events, &match?({:life, ^pid, ["down" | _]}, &1))
    st = %{st | events: events, failed: MapSet.put(st.failed, pid)}
    {:ok, add(st, {:life, pid, [hd(parts), pid | tl(parts)]})}
  end

  defp handle({:resolve, name}, st), do: {st.pids[name], st}

  defp handle({:learn, names}, st) do
    {:ok, Enum.reduce(names, st, fn {pid, name}, st -> put(st, name, pid) end)}
  end

  defp handle(:reset, _), do: {:ok, fresh()}

  defp put(st, name, pid),
    do: %{st | names: Map.put(st.names, pid, name), pids: Map.put(st.pids, name, pid)}
end
