# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Client do
  @moduledoc "Ops that any process may run: queries, gen_server, supervisor, registry, task, ..."
  alias Oracle.{Actor, Dyn, Log, Quiet, Server, Sup, Tasks, Term}
  import Oracle.Ops, only: [target: 1]

  # -- level 1 -----------------------------------------------------------------

  def run(["spawn", p | opts]) do
    with {:ok, _} <- Actor.spawn(:spawn, p, opts), do: :ok
  end

  def run(["sleep", ms]) do
    Quiet.busy(0, fn -> Process.sleep(String.to_integer(ms)) end)
    :ok
  end

  def run(["register", name, p]), do: :erlang.register(String.to_atom(name), target(p))
  def run(["unregister", name | _]), do: :erlang.unregister(String.to_atom(name))
  def run(["whereis", name | _]), do: :erlang.whereis(String.to_atom(name))
  def run(["alive", p]), do: Process.alive?(target(p))
  def run(["links", p]), do: info(p, :links)
  def run(["monitors", p]), do: info(p, :monitors)
  def run(["monitored_by", p]), do: info(p, :monitored_by)

  # -- level 2 -----------------------------------------------------------------

  def run(["gs_start", s, init | opts]), do: started(Server.start(:start, s, init, opts))
  def run(["get_state", s]), do: :sys.get_state(target(s), :infinity).value

  def run(["replace_state", s, x]) do
    :sys.replace_state(target(s), &%{&1 | value: Term.parse(x)}, :infinity).value
  end

  def run(["suspend", s]), do: :sys.suspend(target(s), :infinity)
  def run(["unsuspend", s]), do: :sys.resume(target(s), :infinity)

  # -- level 3 -----------------------------------------------------------------

  def run(["suptpl", tpl | words]) do
    Sup.put_template(tpl, words)
    :ok
  end

  def run(["sup", s | words]), do: as_root(fn -> ok(Sup.start_link(s, words)) end)

  def run(["start_child", s, word]),
    do: :supervisor.start_child(target(s), Sup.spec(s, word)) |> without_child() |> ok()

  def run(["terminate_child", s, id]),
    do: ok(:supervisor.terminate_child(target(s), String.to_atom(id)))

  def run(["restart_child", s, id]),
    do: ok(:supervisor.restart_child(target(s), String.to_atom(id)))

  def run(["delete_child", s, id]),
    do: ok(:supervisor.delete_child(target(s), String.to_atom(id)))

  def run(["which_children", s]) do
    list =
      for {id, pid, type, _} <- :supervisor.which_children(target(s)),
          do: {:parts, [id, "=", pid, "/", type]}

    {:sorted, list}
  end

  def run(["count_children", s]), do: counts(:supervisor.count_children(target(s)))

  def run(["sup_stop", s, r]) do
    :gen_server.stop(target(s), Term.parse(r), :infinity)
  end

  def run(["sup_shutdown", s]) do
    pid = target(s)
    as_root(fn -> Process.exit(pid, :shutdown) end)
  end

  def run(["crash", c, r]) do
    send(target(c), {:crash, Term.parse(r)})
    :ok
  end

  def run(["kill", c]), do: Process.exit(target(c), :kill)

  # -- level 4 -----------------------------------------------------------------

  def run(["dynsup", s, max_r, max_s | opts]) do
    max = Enum.find_value(opts, fn "max=" <> n -> String.to_integer(n) end)
    [max_r, max_s] = Enum.map([max_r, max_s], &String.to_integer/1)
    as_root(fn -> ok(Dyn.start_link(s, max_r, max_s, max)) end)
  end

  def run(["dyn_start", s, word]),
    do: ok(DynamicSupervisor.start_child(target(s), Sup.spec(s, word)))

  def run(["dyn_terminate", s, id]),
    do: ok(DynamicSupervisor.terminate_child(target(s), target("#{s}.#{id}")))

  def run(["dyn_which", s]) do
    list =
      for {_, pid, type, _} <- DynamicSupervisor.which_children(target(s)),
          do: {:parts, [pid, "/", type]}

    {:sorted, list}
  end

  def run(["dyn_count", s]), do: counts(DynamicSupervisor.count_children(target(s)))

  def run(["registry", r, kind]) do
    name = String.to_atom(r)
    {status, _} = as_root(fn -> Registry.start_link(keys: String.to_atom(kind), name: name) end)
    status
  end

  def run(["lookup", r, key]) do
    list = Registry.lookup(String.to_atom(r), Term.parse(key))
    {:sorted, for({pid, v} <- list, do: {:parts, [pid, "=", v]})}
  end

  def run(["keys", r, a]) do
    {:sorted, for(k <- Registry.keys(String.to_atom(r), target(a)), do: {:parts, [k]})}
  end

  def run(["rcount", r]), do: Registry.count(String.to_atom(r))

  def run(["tsup", ts]) do
    as_root(fn ->
      {:ok, pid} = Task.Supervisor.start_link()
      Log.born(ts, pid)
    end)
  end

  def run(["task_child", ts, t, body]) do
    {:ok, _} = Tasks.start_child(target(ts), t, body)
    :ok
  end

  def run(["release", t, x]) do
    send(target(t), {:release, x})
    :ok
  end

  # -- level 5 (the last word is the node this runs on) --------------------------

  def run(["global_whereis", name, _]), do: :global.whereis_name(String.to_atom(name))
  def run(["global_unregister", name, _]), do: :global.unregister_name(String.to_atom(name))
  def run(["pg_members", g, _]), do: {:set, :pg.get_members(String.to_atom(g))}
  def run(["pg_local", g, _]), do: {:set, :pg.get_local_members(String.to_atom(g))}

  def run(toks), do: raise(Oracle.ScriptError, "script_error unknown op #{Enum.join(toks, " ")}")

  @doc "The printable result of starting something."
  def started({:ok, _}), do: :ok
  def started(other), do: ok(other)

  defp ok({:ok, v}), do: {:parts, ["ok", v]}
  defp ok({:error, r}), do: {:parts, ["error", r]}
  defp ok(v), do: v

  # start_child's error carries the whole child record; keep the reason
  defp without_child({:error, {r, child}}) when elem(child, 0) == :child, do: {:error, r}
  defp without_child(v), do: v

  defp counts(list) do
    {:parts, for(k <- [:specs, :active, :supervisors, :workers], do: "#{k}=#{list[k]}")}
  end

  # the named processes of a process_info list, as a set for the driver to print
  defp info(p, item) do
    case Process.info(target(p), item) do
      nil -> :undefined
      {_, list} -> {:set, Enum.map(list, &strip/1)}
    end
  end

  defp strip({:process, x}), do: x
  defp strip(x), do: x

  @doc "Runs `toks` as the controller, in a process of its own."
  def start(step, toks) do
    spawn(fn -> Log.result(step, Oracle.Ops.guarded(fn -> run(toks) end)) end)
  end

  @doc "Starts the parent of everything that the controller starts with a link."
  def start_root do
    caller = self()

    pid =
      spawn(fn ->
        Process.register(self(), :oracle_root)
        Process.flag(:trap_exit, true)
        send(caller, {:root, self()})
        root()
      end)

    receive do
      {:root, ^pid} -> pid
    end
  end

  defp root do
    receive do
      {:run, fun, from, ref} -> send(from, {ref, Oracle.Ops.guarded(fun)})
      _ -> :ok
    end

    root()
  end

  defp as_root(fun) do
    ref = make_ref()
    send(:oracle_root, {:run, fun, self(), ref})

    receive do
      {^ref, v} -> v
    end
  end
end
