# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.ScriptError do
  defexception [:message]
end

defmodule Oracle.Names do
  @moduledoc "Short node names (`n1`) and real ones."
  def short(node), do: node |> Atom.to_string() |> String.split(["_", "@"]) |> hd()
  def node(short), do: Map.fetch!(:persistent_term.get(:oracle_nodes, %{}), short)
end
