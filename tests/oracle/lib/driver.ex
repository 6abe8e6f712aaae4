# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Driver do
  @moduledoc "Reads a script, runs it op by op with a barrier after each, and formats the log."
  alias Oracle.Report

  # ops that the actor named by their first argument executes
  @actor_ops ~w(spawn_link spawn_monitor link unlink monitor demonitor exit quit raise return
                trap send burst send_after cancel call cast info gs_start_link gs_stop
                reg unreg update dispatch task task_nolink await yield tshutdown
                global_register monitor_nodes pg_join pg_leave erpc)

  # ops that end their actor: their result is reported before they run
  @last_ops ~w(quit raise return)

  @doc "The ops of a script: [{step, tokens}]."
  def parse(text) do
    text
    |> String.split("\n")
    |> Enum.map(&String.trim/1)
    |> Enum.reject(&(&1 == "" or String.starts_with?(&1, "#")))
    |> Enum.map(&String.split/1)
    |> Enum.with_index(1)
    |> Enum.map(fn {toks, k} -> {k, toks} end)
  end

  @doc "Runs a script's text; returns {:ok | :failed, log}."
  def run(text) do
    ops = parse(text)
    world = if match?([{_, ["node" | _]} | _], ops), do: Oracle.Cluster, else: Oracle.Local
    world.start()

    try do
      steps(ops, %{world: world, paused: %{}, pending: %{}, loose: []}, [])
    after
      world.stop()
    end
  end

  defp steps([], _, log), do: {:ok, IO.iodata_to_binary(Enum.reverse(log))}

  defp steps([{k, toks} | rest], st, log) do
    {now, st} = dispatch(k, toks, st)

    case st.world.settle() do
      :ok ->
        {events, names} = st.world.take()
        loose = if hd(toks) == "dynsup", do: [Enum.at(toks, 1) <> "." | st.loose], else: st.loose
        {text, pending} = Report.step(k, toks, now, events, names, st.pending, loose)
        log = [text | log]
        paused = Map.reject(st.paused, fn {pid, _} -> Report.died?(events, pid) end)

        if text =~ "script_error",
          do: {:failed, IO.iodata_to_binary(Enum.reverse(log))},
          else: steps(rest, %{st | pending: pending, paused: paused, loose: loose}, log)

      :hang ->
        {:failed, IO.iodata_to_binary(Enum.reverse(["#{k} - hang #{Enum.join(toks, " ")}\n" | log]))}
    end
  end

  # -> {{:now, value} | :later, state}
  defp dispatch(k, [op, a | _] = toks, st) when op in @actor_ops do
    case alive(a, st) do
      {:error, why} ->
        {{:now, why}, st}

      {:ok, pid} when is_map_key(st.paused, pid) ->
        {:later, st |> owe(k, owner(pid, toks)) |> update_in([:paused, pid], &(&1 ++ [{k, toks}]))}

      {:ok, pid} ->
        st.world.send(pid, {:op, k, toks})
        {:later, owe(st, k, owner(pid, toks))}
    end
  end

  defp dispatch(_, ["pause", a], st) do
    case alive(a, st) do
      {:error, why} ->
        {{:now, why}, st}

      {:ok, pid} ->
        st.world.send(pid, :pause)
        {{:now, :ok}, put_in(st, [:paused, pid], [])}
    end
  end

  defp dispatch(_, ["resume", a], st) do
    case alive(a, st) do
      {:error, why} ->
        {{:now, why}, st}

      {:ok, pid} ->
        {ops, paused} = Map.pop(st.paused, pid)
        st.world.send(pid, {:resume, ops})
        {{:now, :ok}, %{st | paused: paused}}
    end
  end

  defp dispatch(k, toks, st) do
    case st.world.control(k, toks) do
      :later -> {:later, owe(st, k, nil)}
      {:now, v} -> {{:now, v}, st}
    end
  end

  defp alive(a, st) do
    case st.world.resolve(a) do
      nil -> {:error, :unknown}
      pid -> if st.world.alive?(pid), do: {:ok, pid}, else: {:error, :dead}
    end
  end

  defp owe(st, k, who), do: put_in(st, [:pending, k], who)

  defp owner(pid, [op | _]), do: {pid, if(op in @last_ops, do: :last, else: :plain)}
end

defmodule Oracle.Report do
  @moduledoc "Turns one step's raw events into canonical log lines."
  alias Oracle.Term

  def died?(events, pid) do
    Enum.any?(events, fn
      {:died, ^pid, _} -> true
      {:life, ^pid, ["down", ^pid | _]} -> true
      {:gone, ^pid} -> true
      _ -> false
    end)
  end

  @doc """
  -> {text, still pending}. `loose`: the name prefixes of children of dynamic
  supervisors, which terminate their children concurrently.
  """
  def step(k, toks, now, events, names, pending, loose) do
    results = for {:result, j, v} <- events, into: %{}, do: {j, v}
    results = if match?({:now, _}, now), do: Map.put(results, k, elem(now, 1)), else: results

    lost =
      for {j, {pid, _}} <- pending, not is_map_key(results, j), died?(events, pid),
        into: %{},
        do: {j, :lost}

    results = Map.merge(results, lost)
    results = Map.new(results, fn {j, v} -> {j, racy(v, pending[j], events)} end)
    pending = Map.drop(pending, Map.keys(results))
    {own, late} = Map.pop(results, k, :pending)

    lines =
      ["> " <> Enum.join(toks, " "), "- result " <> value(own, names)] ++
        for({j, v} <- Enum.sort(late), do: "- result@#{j} " <> value(v, names)) ++
        lifecycle(events, names, loose) ++ actors(events, names)

    {Enum.map_join(lines, &"#{k} #{&1}\n"), pending}
  end

  # whether an actor that dies in this step still gets to report a result is in
  # general a race: it never does
  defp racy(v, {pid, :plain}, events), do: if(died?(events, pid), do: :lost, else: v)
  defp racy(v, _, _), do: v

  defp value({:parts, parts}, names), do: join(parts, names)

  defp value({:sorted, list}, names) do
    list = for {:parts, parts} <- list, do: Enum.map_join(parts, &Term.fmt(&1, names))
    "[" <> Enum.join(Enum.sort(list), ",") <> "]"
  end

  defp value({:set, list}, names) do
    list = for x <- list, not is_pid(x) or is_map_key(names, x), do: Term.fmt(x, names)
    "[" <> Enum.join(Enum.sort(list), ",") <> "]"
  end

  defp value(v, names), do: Term.fmt(v, names)

  defp join(parts, names), do: Enum.map_join(parts, " ", &Term.fmt(&1, names))

  # -- ordered part --------------------------------------------------------------

  defp lifecycle(events, names, loose) do
    lines = for {:life, pid, [what | rest]} <- events, do: {what, pid, rest}

    # a killed supervisor leaves its children dying concurrently with whatever
    # happens next: then only the start-like lines are in a causal order
    killed? = Enum.any?(events, &killed_sup?(&1, names))

    {loose, ordered} =
      Enum.split_with(lines, fn {w, pid, _} ->
        w in ["down", "terminate"] and
          (killed? or Enum.any?(loose, &String.starts_with?(names[pid], &1)))
      end)

    text = fn {w, _, rest} -> "! " <> join([w | rest], names) end
    Enum.map(ordered, text) ++ Enum.sort(Enum.map(loose, text))
  end

  defp killed_sup?({:life, pid, ["down", pid, :killed]}, names) do
    prefix = path(names[pid]) <> "."
    Enum.any?(names, fn {_, n} -> String.starts_with?(n, prefix) end)
  end

  defp killed_sup?(_, _), do: false

  defp path(name), do: name |> String.split("#") |> hd()

  # -- sorted part ---------------------------------------------------------------

  defp actors(events, names) do
    dead = for {:died, pid, _} <- events, into: MapSet.new(), do: pid
    dead = for {:life, pid, ["down", pid | _]} <- events, into: dead, do: pid

    events
    |> Enum.flat_map(fn
      {:died, pid, r} -> [{{name(pid, names), 2, ""}, :own, "died " <> Term.fmt(r, names)}]
      {:ev, pid, nil, :own, p} -> [{{name(pid, names), 0, ""}, :own, join(p, names)}]
      {:ev, pid, src, kind, p} -> received(pid, src, kind, p, names, dead)
      _ -> []
    end)
    |> Enum.group_by(&elem(&1, 0))
    |> Enum.sort()
    |> Enum.flat_map(fn {{actor, _, _}, evs} -> evs |> runs() |> Enum.map(&"#{actor} #{&1}") end)
  end

  defp received(pid, src, kind, parts, names, dead) do
    if pid in dead,
      do: [],
      else: [{{name(pid, names), 1, Term.fmt(src, names)}, kind, join(parts, names)}]
  end

  # the order of simultaneous exit/down events of one source is unspecified: sort each run
  defp runs(evs) do
    evs
    |> Enum.chunk_by(&(elem(&1, 1) == :death))
    |> Enum.flat_map(fn chunk ->
      texts = Enum.map(chunk, &elem(&1, 2))
      if match?([{_, :death, _} | _], chunk), do: Enum.sort(texts), else: texts
    end)
  end

  defp name(pid, names), do: Map.get(names, pid, "?")
end
