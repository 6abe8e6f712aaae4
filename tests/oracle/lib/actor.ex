# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Actor do
  @moduledoc "A plain actor: a process that runs ops and logs every message it handles."
  alias Oracle.{Log, Ops}

  @doc """
  Spawns an actor (`how`: :spawn | :spawn_link | :spawn_monitor) and returns once
  it is ready. `opts`: ["trap"] and ["on", NODE].
  """
  def spawn(how, name, opts) do
    trap? = "trap" in opts

    node =
      case Enum.drop_while(opts, &(&1 != "on")) do
        ["on", n] -> Oracle.Names.node(n)
        [] -> node()
      end

    ref = make_ref()
    parent = self()

    body = fn ->
      Process.flag(:trap_exit, trap?)
      Log.born(name)
      send(parent, {ref, :ready})
      loop()
    end

    if node == node() or node in Node.list() do
      res = apply(:erlang, how, [node, body])

      receive do
        {^ref, :ready} -> {:ok, res}
      end
    else
      :unreachable
    end
  end

  def loop do
    receive do
      {:op, step, toks} -> if Ops.exec(step, toks) != :return, do: loop()
      :pause -> paused()
      msg -> Ops.received(msg) && loop()
    end
  end

  defp paused do
    receive do
      {:resume, ops} -> batch(ops)
    end
  end

  defp batch([]), do: loop()
  defp batch([{step, toks} | rest]), do: Ops.exec(step, toks) != :return && batch(rest)
end
