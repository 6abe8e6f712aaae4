# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Term do
  @moduledoc "Script values: parsing (`a`, `12`, `a(b,c)`) and canonical printing."

  @doc "Parses `atom`, `integer` or `name(arg,...)` (a tuple)."
  def parse(text) do
    case value(text) do
      {v, ""} -> v
      _ -> raise ArgumentError, "bad value: #{text}"
    end
  end

  defp value(text) do
    case Regex.run(~r/^(-?[0-9]+|[a-z][a-z0-9_]*)(.*)$/s, text) do
      [_, word, "(" <> rest] ->
        {args, rest} = args(rest, [])
        {List.to_tuple([String.to_atom(word) | args]), rest}

      [_, word, rest] ->
        {if(word =~ ~r/^-?[0-9]/, do: String.to_integer(word), else: String.to_atom(word)), rest}
    end
  end

  defp args(text, acc) do
    case value(text) do
      {v, "," <> rest} -> args(rest, [v | acc])
      {v, ")" <> rest} -> {Enum.reverse([v | acc]), rest}
    end
  end

  @doc "Prints a term canonically; `names` maps pids to actor names."
  def fmt(pid, names) when is_pid(pid), do: Map.get(names, pid, "?")
  def fmt(i, _) when is_integer(i), do: Integer.to_string(i)
  def fmt(s, _) when is_binary(s), do: s
  def fmt(nil, _), do: "nil"

  def fmt(a, _) when is_atom(a) do
    text = Atom.to_string(a)
    if text =~ "@", do: Oracle.Names.short(a), else: String.replace_prefix(text, "Elixir.", "")
  end

  def fmt({:nodedown, node}, _) when is_atom(node), do: "nodedown(#{Oracle.Names.short(node)})"

  # {Reason, Stacktrace}: an uncaught exception; the stack trace is dropped
  def fmt({r, [{m, f, a, l} | _]}, names)
      when is_atom(m) and is_atom(f) and (is_integer(a) or is_list(a)) and is_list(l),
      do: "error(#{fmt(r, names)})"

  # {Reason, {Mod, Fun, Args}}: a failed gen_server call
  def fmt({r, {m, _, a}}, names) when is_atom(m) and is_list(a),
    do: "call_exit(#{fmt(r, names)})"

  # a name on a node, as it appears in a DOWN message
  def fmt({name, node} = t, names) when is_atom(name) and is_atom(node) do
    case Atom.to_string(node) |> String.split("@") do
      ["nonode", _] -> "@#{name}"
      [n, _] -> "@#{name}/#{n |> String.split("_") |> hd()}"
      _ -> tuple(t, names)
    end
  end

  def fmt(t, names) when is_tuple(t), do: tuple(t, names)
  def fmt(l, names) when is_list(l), do: "[" <> Enum.map_join(l, ",", &fmt(&1, names)) <> "]"

  defp tuple(t, names) do
    case Tuple.to_list(t) do
      [a | rest] when is_atom(a) and rest != [] ->
        "#{fmt(a, names)}(#{Enum.map_join(rest, ",", &fmt(&1, names))})"

      l ->
        "{" <> Enum.map_join(l, ",", &fmt(&1, names)) <> "}"
    end
  end
end
