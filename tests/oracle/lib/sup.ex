# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Sup do
  @moduledoc "Scripted supervisors (Erlang `supervisor`), and the words for their children."
  @behaviour :supervisor
  alias Oracle.{Log, Server}

  def start_link(path, words) do
    with {:error, r} = error <- :supervisor.start_link(__MODULE__, {path, words}) do
      Log.failed(path, ["fail", r])
      error
    end
  end

  @impl true
  def init({path, [strategy, max_r, max_s | rest]}) do
    Log.born_child(path)
    Log.life(["start", self()])
    {auto, children} = Enum.split_with(rest, &String.starts_with?(&1, "auto="))

    flags = %{
      strategy: String.to_atom(strategy),
      intensity: String.to_integer(max_r),
      period: String.to_integer(max_s)
    }

    flags =
      case auto do
        ["auto=" <> a] -> Map.put(flags, :auto_shutdown, String.to_atom(a))
        [] -> flags
      end

    {:ok, {flags, Enum.map(children, &spec(path, &1))}}
  end

  @doc "`id:restart:shutdown:behaviour[:significant]` -> child specification."
  def spec(path, word) do
    [id, restart, shutdown, behaviour] = String.split(word, ":", parts: 4)
    {behaviour, significant} = significant(behaviour)
    child = "#{path}.#{id}"

    {start, type} =
      case behaviour do
        "sup=" <> tpl -> {{__MODULE__, :start_link, [child, template(tpl)]}, :supervisor}
        _ -> {{Server, :start_child, [child, behaviour]}, :worker}
      end

    %{
      id: String.to_atom(id),
      start: start,
      restart: String.to_atom(restart),
      shutdown: shutdown(shutdown),
      type: type,
      significant: significant
    }
  end

  defp significant(word) do
    case String.replace_suffix(word, ":significant", "") do
      ^word -> {word, false}
      behaviour -> {behaviour, true}
    end
  end

  defp shutdown("brutal_kill"), do: :brutal_kill
  defp shutdown("infinity"), do: :infinity
  defp shutdown(ms), do: String.to_integer(ms)

  def put_template(name, words), do: :ets.insert(:oracle_labels, {{:template, name}, words})
  defp template(name), do: :ets.lookup_element(:oracle_labels, {:template, name}, 2)
end
