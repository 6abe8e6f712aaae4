# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Server do
  @moduledoc """
  The scripted gen_server: level 2 servers and the children of supervisors.

  Level 2 servers are named by the script; supervised children have a `path`
  and are named `path#n` by the collector, and their start and terminate are
  lifecycle lines.
  """
  use GenServer
  alias Oracle.{Log, Ops, Quiet, Term}

  @doc "start | start_link for a script-named server; `init` is an INIT word of SPEC.md."
  def start(how, name, init, opts) do
    reg =
      Enum.find_value(opts, [], fn
        "name=" <> n -> [name: Ops.via(n)]
        _ -> nil
      end)

    apply(GenServer, how, [__MODULE__, %{name: name, init: init, trap: "trap" in opts}, reg])
  end

  @doc "start_link for a supervised child; `behaviour` is a word of SPEC.md."
  def start_child(path, behaviour) do
    reg =
      case behaviour do
        "via=" <> n -> [name: Ops.via(n)]
        _ -> []
      end

    GenServer.start_link(__MODULE__, %{path: path, behaviour: behaviour}, reg)
  end

  # -- init ----------------------------------------------------------------------

  @impl true
  def init(%{path: path, behaviour: behaviour}) do
    n = Log.born_child(path)
    st = %{value: :s0, waiting: :queue.new(), child: true, stop_ms: 0}

    case String.split(behaviour, [":", "="]) do
      ["fail_from", from] ->
        if n >= String.to_integer(from), do: fail(path), else: child(st)

      ["fail_on", on] ->
        if n == String.to_integer(on), do: fail(path), else: child(st)

      ["ignore"] ->
        Log.failed(path, ["ignore"])
        :ignore

      ["trap"] ->
        Process.flag(:trap_exit, true)
        child(st)

      ["slow_stop", ms] ->
        Process.flag(:trap_exit, true)
        child(%{st | stop_ms: String.to_integer(ms)})

      _ ->
        child(st)
    end
  end

  def init(%{name: name, init: init, trap: trap}) do
    Process.flag(:trap_exit, trap)
    Log.born(name)
    st = %{value: :s0, waiting: :queue.new(), child: false, stop_ms: 0}

    case String.split(init, ":", parts: 2) do
      ["ok"] -> {:ok, st}
      ["ignore"] -> :ignore
      ["stop", r] -> {:stop, Term.parse(r)}
      ["raise", x] -> :erlang.error(Term.parse(x))
      ["exit", r] -> exit(Term.parse(r))
      ["continue", x] -> {:ok, st, {:continue, Term.parse(x)}}
      ["timeout", ms] -> {:ok, st, arm(ms)}
    end
  end

  defp child(st) do
    Log.life(["start", self()])
    {:ok, st}
  end

  defp fail(path) do
    Log.failed(path, ["fail", :init_failed])
    {:stop, :init_failed}
  end

  # -- callbacks -------------------------------------------------------------------

  @impl true
  def handle_call({:cmd, _, cmd}, from, st) do
    disarm()

    case String.split(cmd, ":") do
      ["echo", x] -> {:reply, Term.parse(x), st}
      ["get"] -> {:reply, st.value, st}
      ["set", x] -> {:reply, st.value, %{st | value: Term.parse(x)}}
      ["defer"] -> {:noreply, %{st | waiting: :queue.in(from, st.waiting)}}
      ["noreply"] -> {:noreply, st}
      ["late", ms, x] -> {:noreply, late(st, from, ms, x)}
      ["stop", r, x] -> {:stop, Term.parse(r), Term.parse(x), st}
      ["stop_noreply", r] -> {:stop, Term.parse(r), st}
      ["continue", x] -> {:reply, :ok, st, {:continue, Term.parse(x)}}
      ["timeout", ms] -> {:reply, :ok, st, arm(ms)}
      ["raise", x] -> :erlang.error(Term.parse(x))
      ["exit", r] -> exit(Term.parse(r))
    end
  end

  @impl true
  def handle_cast({:cmd, from, cmd}, st) do
    disarm()
    Log.recv(from, ["cast", cmd, "from", from])
    command(cmd, st)
  end

  @impl true
  def handle_info(msg, st) do
    disarm()

    case msg do
      {:cmd, from, cmd} ->
        Log.recv(from, ["info", cmd, "from", from])
        command(cmd, st)

      {:late, from, x} ->
        Log.own(["late", x])
        GenServer.reply(from, x)
        {:noreply, st}

      {:op, step, toks} ->
        Ops.exec(step, toks)
        {:noreply, st}

      {:crash, r} ->
        {:stop, r, st}

      :timeout ->
        Log.own(["timeout"])
        {:noreply, st}

      _ ->
        Ops.received(msg)
        {:noreply, st}
    end
  end

  defp command(cmd, st) do
    case String.split(cmd, ":") do
      ["echo", _] ->
        {:noreply, st}

      ["set", x] ->
        {:noreply, %{st | value: Term.parse(x)}}

      ["release", x] ->
        {:noreply, release(st, Term.parse(x))}

      ["stop", r] ->
        {:stop, Term.parse(r), st}

      ["continue", x] ->
        {:noreply, st, {:continue, Term.parse(x)}}

      ["timeout", ms] ->
        {:noreply, st, arm(ms)}

      ["raise", x] ->
        :erlang.error(Term.parse(x))

      ["exit", r] ->
        exit(Term.parse(r))
    end
  end

  @impl true
  def handle_continue(x, st) do
    Log.own(["continue", x])
    {:noreply, st}
  end

  @impl true
  def terminate(reason, %{child: true} = st) do
    Log.life(["terminate", self(), reason])
    if st.stop_ms > 0, do: Quiet.busy(0, fn -> Process.sleep(st.stop_ms) end)
  end

  def terminate(reason, _), do: Log.own(["terminate", reason])

  # -- replies and timeouts ------------------------------------------------------------

  defp late(st, from, ms, x) do
    ms = String.to_integer(ms)
    ref = :erlang.send_after(ms, self(), {:late, from, Term.parse(x)})
    if Quiet.awaited?(ms), do: Quiet.await({:timer, ref})
    st
  end

  defp release(st, x) do
    case :queue.out(st.waiting) do
      {{:value, from}, rest} ->
        GenServer.reply(from, x)
        %{st | waiting: rest}

      {:empty, _} ->
        Log.own(["release", "none"])
        st
    end
  end

  defp arm(ms) do
    ms = String.to_integer(ms)
    if Quiet.awaited?(ms), do: Quiet.await({:gs_timeout, self()})
    ms
  end

  defp disarm, do: Quiet.done({:gs_timeout, self()})
end
