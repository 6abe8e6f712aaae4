# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Ops do
  @moduledoc "Ops that run inside an actor, and the logging of what an actor receives."
  alias Oracle.{Actor, Client, Log, Quiet, Server, Tasks, Term}

  @doc "Runs one op in the calling actor and reports its result."
  def exec(step, ["quit", _, r]) do
    Log.result(step, :ok)
    exit(Term.parse(r))
  end

  def exec(step, ["raise", _, x]) do
    Log.result(step, :ok)
    :erlang.error(Term.parse(x))
  end

  def exec(step, ["return", _]) do
    Log.result(step, :ok)
    :return
  end

  def exec(step, toks), do: Log.result(step, guarded(fn -> run(toks) end))

  @doc "The value of `fun`, or how it failed."
  def guarded(fun) do
    try do
      fun.()
    catch
      :exit, {r, {m, _, a}} when is_atom(m) and is_list(a) -> {:call_exit, r}
      :exit, r -> {:call_exit, r}
      :error, %Oracle.ScriptError{} = e -> e.message
      :error, r -> {:parts, ["raise", r]}
    end
  end

  # -- targets ---------------------------------------------------------------

  @doc "`name` -> pid, `@name` -> registered name, `%name` -> global, `~reg:key` -> via Registry."
  def target("@" <> name) do
    case String.split(name, "/") do
      [n] -> String.to_atom(n)
      [n, node] -> {String.to_atom(n), Oracle.Names.node(node)}
    end
  end

  def target("%" <> name), do: {:global, String.to_atom(name)}

  def target("~" <> via) do
    [reg, key] = String.split(via, ":")
    {:via, Registry, {String.to_atom(reg), Term.parse(key)}}
  end

  def target(name) do
    Log.resolve(name) || raise Oracle.ScriptError, "unknown"
  end

  @doc "The `name=` of a server: `NAME`, `%NAME` or `~reg:key`."
  def via("%" <> _ = t), do: target(t)
  def via("~" <> _ = t), do: target(t)
  def via(name), do: String.to_atom(name)

  defp deliver({:global, name}, msg) do
    case :global.whereis_name(name) do
      :undefined -> :erlang.error(:badarg)
      pid -> send(pid, msg)
    end
  end

  defp deliver({:via, mod, name}, msg), do: mod.send(name, msg)
  defp deliver(dest, msg), do: send(dest, msg)

  # -- level 1 ---------------------------------------------------------------

  def run(["spawn_link", _, p | opts]) do
    with {:ok, _} <- Actor.spawn(:spawn_link, p, opts), do: :ok
  end

  def run(["spawn_monitor", _, p, m | opts]) do
    with {:ok, {_, ref}} <- Actor.spawn(:spawn_monitor, p, opts) do
      label(:mon, ref, m)
      :ok
    end
  end

  def run(["link", _, b]), do: :erlang.link(target(b))
  def run(["unlink", _, b]), do: :erlang.unlink(target(b))

  def run(["monitor", _, b, m]) do
    label(:mon, :erlang.monitor(:process, target(b)), m)
    :ok
  end

  def run(["demonitor", _, m | opts]) do
    opts = for o <- opts, do: %{"flush" => :flush, "info" => :info}[o]
    ref = Process.get({:mon, m})
    if ref, do: :erlang.demonitor(ref, opts), else: :unknown
  end

  def run(["exit", _, b, r]), do: :erlang.exit(target(b), Term.parse(r))
  def run(["trap", _, flag]), do: :erlang.process_flag(:trap_exit, flag == "on")

  def run(["send", _, b, x]) do
    deliver(target(b), {:msg, self(), Term.parse(x)})
    :ok
  end

  def run(["burst", _, b, n]) do
    to = target(b)
    n = String.to_integer(n)
    for i <- 1..n, do: deliver(to, {:burst, self(), i, n})
    :ok
  end

  def run(["send_after", _, b, ms, x, l]) do
    ms = String.to_integer(ms)
    ref = :erlang.send_after(ms, target(b), {:timer, self(), l, Term.parse(x)})
    :ets.insert(:oracle_labels, {{:timer, l}, ref})
    if Quiet.awaited?(ms), do: Quiet.await({:timer, ref})
    :ok
  end

  def run(["cancel", _, l]) do
    case :ets.lookup(:oracle_labels, {:timer, l}) do
      [{_, ref}] -> is_integer(:erlang.cancel_timer(ref))
      [] -> :unknown
    end
  end

  # -- level 2 ---------------------------------------------------------------

  def run(["call", _, s, cmd | t]) do
    to = target(s)
    ms = timeout(t)
    reply = Quiet.busy(ms, fn -> GenServer.call(to, {:cmd, self(), cmd}, ms) end)
    {:parts, ["reply", reply]}
  end

  def run(["cast", _, s, cmd]), do: GenServer.cast(target(s), {:cmd, self(), cmd})

  def run(["info", _, s, cmd]) do
    deliver(target(s), {:cmd, self(), cmd})
    :ok
  end

  def run(["gs_start_link", _, s, init | opts]) do
    Client.started(Server.start(:start_link, s, init, opts))
  end

  def run(["gs_stop", _, s, r | t]) do
    to = target(s)
    ms = timeout(t)
    Quiet.busy(ms, fn -> GenServer.stop(to, Term.parse(r), ms) end)
  end

  # -- level 4 ---------------------------------------------------------------

  def run(["reg", _, r, key, val]) do
    case Registry.register(String.to_atom(r), Term.parse(key), Term.parse(val)) do
      {:ok, _} -> :ok
      {:error, e} -> {:parts, ["error", e]}
    end
  end

  def run(["unreg", _, r, key]), do: Registry.unregister(String.to_atom(r), Term.parse(key))

  def run(["update", _, r, key, val]) do
    case Registry.update_value(String.to_atom(r), Term.parse(key), fn _ -> Term.parse(val) end) do
      {new, old} -> {:parts, ["updated", new, old]}
      :error -> :error
    end
  end

  def run(["dispatch", _, r, key, x]) do
    msg = {:msg, self(), Term.parse(x)}

    Registry.dispatch(String.to_atom(r), Term.parse(key), fn entries ->
      for {pid, _} <- entries, do: send(pid, msg)
    end)
  end

  def run(["task", _, t, body]), do: Tasks.async(t, body)
  def run(["task_nolink", _, ts, t, body]), do: Tasks.async_nolink(target(ts), t, body)

  def run(["await", _, t | ms]) do
    ms = timeout(ms)
    with_task(t, ms, fn task -> {:ok, Task.await(task, ms)} end)
  end

  def run(["yield", _, t, ms]) do
    ms = timeout([ms])
    with_task(t, ms, fn task -> Task.yield(task, ms) end)
  end

  def run(["tshutdown", _, t, how]) do
    ms = if how == "brutal_kill", do: :brutal_kill, else: timeout([how])
    with_task(t, ms, fn task -> Task.shutdown(task, ms) end)
  end

  # -- level 5 ---------------------------------------------------------------

  def run(["global_register", _, name]),
    do: :global.register_name(String.to_atom(name), self())

  def run(["monitor_nodes", _, flag]), do: :net_kernel.monitor_nodes(flag == "on")
  def run(["pg_join", _, g]), do: :pg.join(String.to_atom(g), self())
  def run(["pg_leave", _, g]), do: :pg.leave(String.to_atom(g), self())

  def run(["erpc", _, n, word | t]) do
    ms = timeout(t)
    Quiet.busy(ms, fn -> Oracle.Rpc.call(Oracle.Names.node(n), word, ms) end)
  end

  def run(toks), do: Client.run(toks)

  defp timeout([]), do: :infinity
  defp timeout(["infinity"]), do: :infinity
  defp timeout([ms]), do: String.to_integer(ms)

  defp with_task(t, ms, fun) do
    with {:ok, task} <- Tasks.open(t) do
      case Quiet.busy(ms, fn -> fun.(task) end) do
        nil ->
          nil

        {what, x} ->
          Tasks.close(t)
          {:parts, [what, x]}
      end
    end
  end

  def label(kind, ref, l) do
    Process.put({kind, ref}, l)
    Process.put({kind, l}, ref)
  end

  # -- what actors receive -----------------------------------------------------

  @doc "Logs one received message; always true."
  def received({:msg, from, x}), do: Log.recv(from, ["msg", x, "from", from])
  def received({:timer, _from, l, x}), do: Log.recv(l, ["timer", l, x])
  def received({:EXIT, from, r}), do: Log.death(from, ["exit", from, r])

  def received({:DOWN, ref, :process, obj, r}) do
    case Process.get({:task, ref}) do
      nil -> Log.death(obj, ["down", Process.get({:mon, ref}, "?"), obj, r])

      t ->
        Tasks.close(t)
        Log.death(obj, ["task_down", t, r])
    end
  end

  def received({:burst, from, i, n}) do
    {next, ok} = Process.get({:burst, from}, {1, true})
    ok = ok and i == next

    if i == n or not ok do
      Process.delete({:burst, from})
      Log.recv(from, ["burst", from, n, if(ok, do: "ok", else: "bad")])
    else
      Process.put({:burst, from}, {next + 1, ok})
    end

    true
  end

  def received({ref, x}) when is_reference(ref) do
    case Process.get({:task, ref}) do
      nil ->
        Log.own(["unexpected"])

      t ->
        Tasks.close(t)
        Log.recv(t, ["task", t, x])
    end
  end

  def received({kind, node}) when kind in [:nodeup, :nodedown],
    do: Log.recv(node, [to_string(kind), node])

  def received(_), do: Log.own(["unexpected"])
end
