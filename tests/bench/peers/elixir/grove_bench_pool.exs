# SPDX-License-Identifier: Apache-2.0
#
# Elixir's side of the row pool_checkout: a pool as a GenServer, written by hand. It does what
# Grove's does: workers that are linked to it, a monitor for each client, a queue with timeouts.
# run.sh starts it:
#
#     elixir ... grove_bench_pool.exs pool_checkout SUFFIX
#
# prints "pool_checkoutSUFFIX elixir VALUE op/s" and ends: with 0 if all went well. One measurement
# after a warm-up of a tenth of its size. GROVE_BENCH_SCALE multiplies the size.
defmodule GroveBench.Pool.Worker do
  use GenServer
  def init(value), do: {:ok, value}
end

defmodule GroveBench.Pool do
  use GenServer

  @timeout 5000

  def checkout, do: GenServer.call(__MODULE__, :checkout, :infinity)
  def checkin(worker), do: GenServer.cast(__MODULE__, {:checkin, worker})

  def init(size) do
    Process.flag(:trap_exit, true)
    {:ok, %{idle: for(_ <- 1..size, do: new_worker()), lent: %{}, waiting: :queue.new()}}
  end

  def handle_call(:checkout, {pid, _} = from, state) do
    monitor = Process.monitor(pid)

    case state.idle do
      [worker | idle] ->
        {:reply, {:ok, worker}, %{state | idle: idle, lent: Map.put(state.lent, worker, monitor)}}

      [] ->
        timer = Process.send_after(self(), {:wait_over, monitor}, @timeout)
        {:noreply, %{state | waiting: :queue.in({from, monitor, timer}, state.waiting)}}
    end
  end

  def handle_cast({:checkin, worker}, state) do
    case Map.pop(state.lent, worker) do
      {nil, _} ->
        {:noreply, state}

      {monitor, lent} ->
        Process.demonitor(monitor)
        {:noreply, idle_again(worker, %{state | lent: lent})}
    end
  end

  def handle_info({:wait_over, monitor}, state) do
    {late, waiting} = Enum.split_with(:queue.to_list(state.waiting), &(elem(&1, 1) == monitor))
    for {from, _, _} <- late, do: GenServer.reply(from, {:error, :timeout})
    {:noreply, %{state | waiting: :queue.from_list(waiting)}}
  end

  def handle_info({:DOWN, monitor, _, _, _}, state) do
    waiting = :queue.filter(&(elem(&1, 1) != monitor), state.waiting)
    state = %{state | waiting: waiting}

    case Enum.find(state.lent, &(elem(&1, 1) == monitor)) do
      nil -> {:noreply, state}
      {worker, _} -> {:noreply, idle_again(worker, %{state | lent: Map.delete(state.lent, worker)})}
    end
  end

  def handle_info({:EXIT, worker, _}, state) do
    state = %{state | idle: List.delete(state.idle, worker), lent: Map.delete(state.lent, worker)}
    {:noreply, idle_again(new_worker(), state)}
  end

  defp idle_again(worker, state) do
    case :queue.out(state.waiting) do
      {{:value, {from, monitor, timer}}, waiting} ->
        Process.cancel_timer(timer)
        GenServer.reply(from, {:ok, worker})
        %{state | waiting: waiting, lent: Map.put(state.lent, worker, monitor)}

      {:empty, _} ->
        %{state | idle: [worker | state.idle]}
    end
  end

  defp new_worker do
    {:ok, worker} = GenServer.start_link(GroveBench.Pool.Worker, 1)
    worker
  end
end

defmodule GroveBench.Pool.Row do
  alias GroveBench.Pool

  @clients 100

  def run do
    {scale, ""} = Float.parse(System.get_env("GROVE_BENCH_SCALE", "1"))
    rounds = max(10 * @clients, round(200_000 * scale))
    measure(div(rounds, 10))
    measure(rounds)
  end

  defp measure(rounds) do
    {:ok, pool} = GenServer.start_link(Pool, 10, name: Pool)
    {microseconds, _} = :timer.tc(fn -> all_borrow(div(rounds, @clients)) end)
    GenServer.stop(pool)
    rounds * 1.0e6 / microseconds
  end

  defp all_borrow(rounds) do
    owner = self()

    for _ <- 1..@clients do
      spawn(fn ->
        borrow(rounds)
        send(owner, :done)
      end)
    end

    for _ <- 1..@clients, do: receive(do: (:done -> :ok))
  end

  defp borrow(0), do: :ok

  defp borrow(rounds) do
    {:ok, worker} = Pool.checkout()
    Pool.checkin(worker)
    borrow(rounds - 1)
  end
end

[row, suffix] = System.argv() ++ List.duplicate("", 2 - length(System.argv()))
rate = GroveBench.Pool.Row.run()
IO.puts("#{row}#{suffix} elixir #{:erlang.float_to_binary(rate, decimals: 0)} op/s")
