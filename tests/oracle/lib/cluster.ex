# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Cluster do
  @moduledoc """
  The world of level 5: every node is a VM of its own (`peer`, controlled over
  its standard I/O, so the controller is not part of the cluster). Connections
  are made by the script only: `dist_auto_connect never`.
  """
  alias Oracle.{Agent, Names}
  @limit 20_000

  # state, in the driver's process dictionary:
  #   peers: short name -> peer pid (live nodes), names: pid -> name,
  #   gone: pids that lived on a killed or stopped node
  def start do
    n = System.unique_integer([:positive])
    Process.put(:cluster, %{peers: %{}, names: %{}, gone: MapSet.new(), id: "#{System.pid()}x#{n}", extra: []})
  end

  def stop do
    for {_, peer} <- st().peers, do: :peer.stop(peer)
    :ok
  end

  defp st, do: Process.get(:cluster)
  defp update(fun), do: Process.put(:cluster, fun.(st()))

  # -- the world interface -----------------------------------------------------

  def resolve(name) do
    Enum.find_value(st().names, fn {pid, n} -> n == name and pid end) || nil
  end

  def alive?(pid), do: pid not in st().gone and call(pid, Process, :alive?, [pid])
  def send(pid, msg), do: call(pid, :erlang, :send, [pid, msg])

  def take do
    {events, names} =
      Enum.map_reduce(Map.keys(st().peers), st().names, fn n, names ->
        {events, more} = call(n, Oracle.Log, :take, [])
        {events, Map.merge(names, more)}
      end)

    for n <- Map.keys(st().peers), do: call(n, Oracle.Log, :learn, [names])
    events = List.flatten(events) ++ st().extra
    update(&%{&1 | names: names, extra: []})
    {events, names}
  end

  @doc """
  Quiet everywhere: every node is quiet, then a ping over every connection has
  flushed what was in flight, and then every node is quiet in the same state,
  twice in a row.
  """
  def settle do
    rounds(nil, 0, System.monotonic_time(:millisecond) + @limit)
  end

  defp rounds(last, same, deadline) do
    now = parallel(fn n -> call(n, Agent, :quiet, []) end)

    cond do
      Enum.any?(now, &match?({_, :hang}, &1)) -> :hang
      System.monotonic_time(:millisecond) > deadline -> :hang
      now == last and same == 1 -> :ok
      true -> flush() && rounds(now, if(now == last, do: same + 1, else: 0), deadline)
    end
  end

  defp flush, do: parallel(fn n -> call(n, Agent, :flush, []) end)

  defp parallel(fun) do
    state = st()

    st().peers
    |> Map.keys()
    |> Enum.sort()
    |> Enum.map(fn n ->
      {n,
       Task.async(fn ->
         Process.put(:cluster, state)
         fun.(n)
       end)}
    end)
    |> Enum.map(fn {n, t} -> {n, Task.await(t, :infinity)} end)
  end

  # -- control ops -------------------------------------------------------------

  def control(_, ["node", n]), do: {:now, up(n)}
  def control(_, ["restart_node", n]), do: {:now, up(n)}

  def control(_, ["kill_node", n]) do
    down(n, fn -> System.cmd("kill", ["-9", call(n, System, :pid, [])]) end)
  end

  def control(_, ["stop_node", n]), do: down(n, fn -> call(n, :init, :stop, []) end)

  def control(_, ["disconnect", a, b]) do
    call(a, :erlang, :disconnect_node, [real(b)])
    until(fn -> not connected?(a, b) and not connected?(b, a) end)
    {:now, :ok}
  end

  def control(_, ["reconnect", a, b]), do: {:now, connect(a, b)}

  def control(_, ["nodes", n]),
    do: {:now, {:set, Enum.map(call(n, Node, :list, []), &Names.short/1)}}

  def control(k, [op, p | _] = toks) when op in ~w(alive links monitors monitored_by) do
    pid = resolve(p)

    cond do
      pid == nil -> {:now, :unknown}
      pid in st().gone -> {:now, if(op == "alive", do: false, else: :undefined)}
      true -> later(Names.short(node(pid)), k, toks)
    end
  end

  def control(k, ["register", _, p] = toks) do
    pid = resolve(p)
    if pid == nil or pid in st().gone, do: {:now, :unknown}, else: later(Names.short(node(pid)), k, toks)
  end

  def control(k, ["sleep" | _] = toks), do: later(hd(Map.keys(st().peers)), k, toks)

  # all others end in the node that runs them
  def control(k, toks), do: later(List.last(toks), k, toks)

  defp later(n, k, toks) do
    call(n, Oracle.Client, :start, [k, toks])
    :later
  end

  # -- nodes -------------------------------------------------------------------

  defp real(n), do: :"#{n}_#{st().id}@127.0.0.1"

  defp call(pid, m, f, a) when is_pid(pid), do: call(Names.short(node(pid)), m, f, a)
  defp call(n, m, f, a), do: :peer.call(Map.fetch!(st().peers, n), m, f, a, :infinity)

  defp up(n) do
    [name, host] = real(n) |> Atom.to_string() |> String.split("@")
    paths = [:persistent_term.get(:oracle_ebin) | for(a <- [:elixir, :logger], do: Application.app_dir(a, "ebin"))]

    args =
      ["-setcookie", st().id, "-pa"] ++
        paths ++
        ~w(+S 2:2 -kernel dist_auto_connect never -kernel prevent_overlapping_partitions false)

    {:ok, peer, _} =
      :peer.start(%{
        name: String.to_charlist(name),
        host: String.to_charlist(host),
        longnames: true,
        connection: :standard_io,
        # a busy machine is no difference
        wait_boot: 120_000,
        args: Enum.map(args, &String.to_charlist/1)
      })

    others = Map.keys(st().peers)
    update(&put_in(&1.peers[n], peer))
    call(n, Agent, :setup, [for(m <- 1..4, into: %{}, do: {"n#{m}", real("n#{m}")})])
    call(n, Oracle.Log, :learn, [st().names])
    for m <- others, do: connect(n, m)
    :ok
  end

  defp down(n, fun) do
    if is_map_key(st().peers, n) do
      seen_by = Enum.filter(Map.keys(st().peers), &(&1 != n and connected?(&1, n)))
      dead = for {pid, _} <- st().names, Names.short(node(pid)) == n, pid not in st().gone, do: pid
      fun.()
      peer = st().peers[n]
      ref = Process.monitor(peer)

      update(fn s ->
        %{
          s
          | peers: Map.delete(s.peers, n),
            gone: MapSet.union(s.gone, MapSet.new(dead)),
            extra: for(pid <- dead, do: {:gone, pid})
        }
      end)

      receive do
        {:DOWN, ^ref, _, _, _} -> :ok
      end

      until(fn -> not Enum.any?(seen_by, &connected?(&1, n)) end)
      {:now, :ok}
    else
      {:now, :dead}
    end
  end

  defp connected?(a, b), do: real(b) in call(a, Node, :list, [])

  defp connect(a, b) do
    case call(a, :net_kernel, :connect_node, [real(b)]) do
      true ->
        until(fn -> connected?(a, b) and connected?(b, a) end)
        for n <- Map.keys(st().peers), do: call(n, :global, :sync, [])
        true

      other ->
        other
    end
  end

  defp until(fun), do: fun.() || (Process.sleep(2) && until(fun))
end

defmodule Oracle.Agent do
  @moduledoc "What the controller calls on a node of the cluster."
  alias Oracle.{Log, Quiet}

  def setup(nodes) do
    {:ok, _} = Application.ensure_all_started(:elixir)
    :persistent_term.put(:oracle_nodes, nodes)
    :logger.set_primary_config(:level, :none)
    {:ok, _} = :pg.start(:pg)
    Quiet.setup()
    :persistent_term.put(:oracle_log, Log.start())
    Oracle.Client.start_root()
    :ok
  end

  @doc "Waits until the node is quiet; the state of what the script can see, or :hang."
  def quiet do
    with :ok <- Quiet.wait() do
      seen = for name <- [:global_name_server, :pg], pid = Process.whereis(name), do: pid
      log = :persistent_term.get(:oracle_log)

      with list when is_list(list) <- Quiet.scan() do
        baseline = Quiet.baseline()
        Enum.filter(list, fn {pid, _} -> pid in seen or (pid not in baseline and pid != log) end)
      end
    end
  end

  @doc "A round trip to every connected node, behind everything sent there so far."
  def flush do
    for node <- Node.list() do
      ref = make_ref()
      :erlang.monitor_node(node, true)
      send({:oracle_log, node}, {:call, self(), ref, {:learn, %{}}})

      receive do
        {^ref, _} -> :ok
        {:nodedown, ^node} -> :ok
      end

      :erlang.monitor_node(node, false)
    end
  end
end

defmodule Oracle.Rpc do
  @moduledoc "Remote functions for the `erpc` op, and how their outcomes print."
  alias Oracle.Term

  def call(node, word, timeout) do
    {:parts, ["ok", :erpc.call(node, __MODULE__, :run, [word], timeout)]}
  catch
    :error, {:exception, r, _} -> {:parts, ["error", r]}
    :error, {:erpc, r} -> {:parts, ["erpc", r]}
    :exit, {:exception, r} -> {:parts, ["exit", r]}
    :exit, {:signal, r} -> {:parts, ["signal", r]}
    :throw, x -> {:parts, ["throw", x]}
  end

  def run(word) do
    case String.split(word, ":", parts: 2) do
      ["ret", x] -> Term.parse(x)
      ["raise", x] -> :erlang.error(Term.parse(x))
      ["exit", r] -> exit(Term.parse(r))
      ["throw", x] -> throw(Term.parse(x))
      ["signal", r] -> Process.exit(self(), Term.parse(r)) && Process.sleep(:infinity)
      ["sleep", ms] -> Process.sleep(String.to_integer(ms))
    end
  end
end
