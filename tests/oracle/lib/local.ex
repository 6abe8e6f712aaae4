# SPDX-License-Identifier: Apache-2.0
defmodule Oracle.Local do
  @moduledoc "The one-node world: everything runs in this VM."
  alias Oracle.{Client, Log, Quiet}

  def setup do
    :logger.set_primary_config(:level, :none)
    Quiet.setup()
    :persistent_term.put(:oracle_log, Log.start())
  end

  def start do
    Log.reset()
    Client.start_root()
  end

  def stop do
    Quiet.sweep([:persistent_term.get(:oracle_log)])
    :ets.delete_all_objects(:oracle_labels)
  end

  def settle, do: Quiet.wait()
  def take, do: Log.take()
  def resolve(name), do: Log.resolve(name)
  def alive?(pid), do: Process.alive?(pid)
  def send(pid, msg), do: Kernel.send(pid, msg)

  def control(step, toks) do
    Client.start(step, toks)
    :later
  end
end
