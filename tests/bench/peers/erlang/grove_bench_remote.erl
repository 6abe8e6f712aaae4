%% SPDX-License-Identifier: Apache-2.0
%%
%% Erlang's side of Grove's benchmark rows of two nodes and more; see grove_bench_peer.
-module(grove_bench_remote).

-export([row/1]).
-export([sink/2, acker/1, crowd/2, idle/0]).

-import(grove_bench_peer, [with_peer/1, with_peer/2, start_peer/1, await_exit/1,
                           send_loop/2, receive_loop/1, scaled/1, warm_then_run/2, timed/1,
                           in_fresh_process/1, in_fresh_process/2, percentile/2]).

-define(DOWN_LIMIT, 120_000).
-define(WINDOW, 16).
-define(MEBIBYTE, (1 bsl 20)).

row("remote_latency") ->
    with_peer(fun(Node) -> warm_then_run(50_000, fun(N) -> remote_latency(Node, N) end) end);
row("remote_throughput") ->
    with_peer(fun(Node) ->
        warm_then_run(1_000_000, fun(N) -> remote_throughput(Node, 1, N) end) ++
            warm_then_run(125_000, fun(N) -> remote_throughput(Node, 8, N) end)
    end);
row("remote_large") ->
    with_peer(fun(Node) -> warm_then_run(2_000, fun(N) -> remote_large(Node, N) end) end);
row("remote_call") ->
    with_peer(fun(Node) ->
        warm_then_run(50_000, fun(N) -> remote_call(".1", Node, 1, N) end) ++
            warm_then_run(5_000, fun(N) -> remote_call(".64", Node, 64, N) end)
    end);
row("monitor_down") ->
    with_peer(fun(Node) -> warm_then_run(100_000, fun(N) -> monitor_down(Node, N) end) end);
row("kill_to_down") ->
    kill_to_down(max(5, scaled(15)));
row("blackhole_to_down") ->
    [{"", until_down(0, "STOP") / 1.0e9, "s"}];
row("idle_cpu") ->
    with_peer(fun(_) -> with_peer("third", fun(_) -> idle_cpu(max(1_000, scaled(10_000))) end) end);
row(Row) ->
    grove_bench_local:row(Row).

%% N round trips of {tag, int} with a process of the other node, each one timed.
remote_latency(Node, N) ->
    Samples = in_fresh_process(fun() ->
        Echo = spawn(Node, grove_bench_peer, pong, []),
        Echo ! {self(), start},
        receive ready -> ok end,
        Samples = latency_loop(Echo, N, []),
        Echo ! stop,
        Samples
    end),
    [{".p50", percentile(Samples, 0.50) / 1.0e3, "us"},
     {".p99", percentile(Samples, 0.99) / 1.0e3, "us"}].

latency_loop(_Echo, 0, Samples) ->
    Samples;
latency_loop(Echo, N, Samples) ->
    Start = erlang:monotonic_time(nanosecond),
    Echo ! {ping, N},
    receive {pong, N} -> ok end,
    latency_loop(Echo, N - 1, [erlang:monotonic_time(nanosecond) - Start | Samples]).

%% Pairs senders here, as many receivers there, N messages for each pair; the clock stops when
%% every receiver has acknowledged its last message.
remote_throughput(Node, Pairs, N) ->
    OsPids = [os:getpid(), erpc:call(Node, os, getpid, [])],
    {Seconds, Used} = in_fresh_process(fun() ->
        Self = self(),
        Sinks = [spawn(Node, ?MODULE, sink, [Self, N]) || _ <- lists:seq(1, Pairs)],
        [receive {ready, Sink} -> ok end || Sink <- Sinks],
        Senders = [spawn_link(fun() -> receive go -> send_loop(Sink, N) end end)
                   || Sink <- Sinks],
        Before = cpu_time(OsPids),
        Seconds = timed(fun() ->
            [Sender ! go || Sender <- Senders],
            [receive {done, Sink} -> ok end || Sink <- Sinks]
        end),
        {Seconds, cpu_time(OsPids) - Before}
    end),
    Name = integer_to_list(Pairs),
    [{"." ++ Name ++ "x" ++ Name, Pairs * N / Seconds, "msg/s"} |
     case Pairs of
         1 -> [{".cpu_ns", Used / N, "ns"},
               {".rss_mb", lists:sum([peak_resident(OsPid) || OsPid <- OsPids]) / 1.0e6, "MB"}];
         _ -> []
     end].

sink(Owner, N) ->
    Owner ! {ready, self()},
    receive_loop(N),
    Owner ! {done, self()}.

%% Messages of 1 MiB, so many of them under way at any time.
remote_large(Node, N) ->
    Seconds = in_fresh_process(fun() ->
        Acker = spawn(Node, ?MODULE, acker, [self()]),
        Payload = binary:copy(<<"x">>, ?MEBIBYTE),
        Window = min(?WINDOW, N),
        Seconds = timed(fun() ->
            [Acker ! {blob, Payload} || _ <- lists:seq(1, Window)],
            [begin receive done -> ok end, Acker ! {blob, Payload} end
             || _ <- lists:seq(1, N - Window)],
            [receive done -> ok end || _ <- lists:seq(1, Window)]
        end),
        Acker ! stop,
        Seconds
    end),
    [{"", N * ?MEBIBYTE / 1.0e6 / Seconds, "MB/s"}].

acker(Owner) ->
    receive
        {blob, _} ->
            Owner ! done,
            acker(Owner);
        stop ->
            ok
    end.

%% Calls of one gen_server there, N for each caller, which waits for its answers.
remote_call(Figure, Node, Callers, N) ->
    Seconds = in_fresh_process(fun() ->
        {ok, Server} = erpc:call(Node, gen_server, start, [grove_bench_local, [], []]),
        Self = self(),
        Seconds = timed(fun() ->
            [spawn_link(fun() -> grove_bench_local:call_loop(Server, N), Self ! done end)
             || _ <- lists:seq(1, Callers)],
            [receive done -> ok end || _ <- lists:seq(1, Callers)]
        end),
        gen_server:stop(Server),
        Seconds
    end),
    [{Figure, Callers * N / Seconds, "call/s"}].

%% Monitors of N processes there, which are then killed, until all are down.
monitor_down(Node, N) ->
    Seconds = in_fresh_process(fun() ->
        Crowd = spawn(Node, ?MODULE, crowd, [self(), N]),
        Pids = receive {crowd, All} -> All end,
        timed(fun() ->
            [erlang:monitor(process, Pid) || Pid <- Pids],
            Crowd ! stop,
            wait_for_downs(N)
        end)
    end, [{message_queue_data, off_heap}]),
    [{"", N / Seconds, "cycle/s"}].

crowd(Owner, N) ->
    Pids = [spawn(fun idle/0) || _ <- lists:seq(1, N)],
    Owner ! {crowd, Pids},
    receive stop -> ok end,
    [exit(Pid, kill) || Pid <- Pids].

wait_for_downs(0) ->
    ok;
wait_for_downs(N) ->
    receive {'DOWN', _, process, _, killed} -> wait_for_downs(N - 1) end.

%% SIGKILL of the other node's OS process until DOWN(noconnection), the median of several kills.
%% The clock starts when a shell that already waits is told to kill: that adds a tenth of a
%% millisecond or two, where os:cmd/1 would add the time to start a shell.
kill_to_down(Kills) ->
    _ = until_down(0, "KILL"),
    Samples = [until_down(I, "KILL") || I <- lists:seq(1, Kills)],
    [{"", percentile(Samples, 0.50) / 1.0e6, "ms"}].

%% Nanoseconds from when a signal is sent to a fresh peer.
until_down(Index, Signal) ->
    {Node, OsPid, Port} = start_peer("victim" ++ integer_to_list(Index)),
    Killer = open_port({spawn_executable, "/bin/sh"},
                       [{args, ["-c", "read go && kill -" ++ Signal ++ " " ++ integer_to_list(OsPid)]}]),
    Nanoseconds = in_fresh_process(fun() ->
        Pid = spawn(Node, ?MODULE, idle, []),
        Monitor = erlang:monitor(process, Pid),
        Pid ! {self(), hello},
        receive hello -> ok end,
        timer:sleep(200),
        Start = erlang:monotonic_time(nanosecond),
        true = port_command(Killer, "go\n"),
        receive
            {'DOWN', Monitor, process, Pid, noconnection} ->
                erlang:monotonic_time(nanosecond) - Start
        after ?DOWN_LIMIT ->
            error(no_down)
        end
    end),
    _ = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
    await_exit(Port),
    Nanoseconds.

idle() ->
    receive {From, hello} -> From ! hello end,
    idle().

%% Percent of one core that this OS process takes, with 1,000 processes that do nothing.
idle_cpu(Milliseconds) ->
    Pids = [spawn(fun idle/0) || _ <- lists:seq(1, 1_000)],
    timer:sleep(1_000),
    Start = erlang:monotonic_time(nanosecond),
    Before = cpu_time([os:getpid()]),
    timer:sleep(Milliseconds),
    Used = cpu_time([os:getpid()]) - Before,
    Elapsed = erlang:monotonic_time(nanosecond) - Start,
    [exit(Pid, kill) || Pid <- Pids],
    [{"", 100 * Used / Elapsed, "%"}].

%% Nanoseconds of all threads of OS processes.
cpu_time(OsPids) ->
    lists:sum([begin
                   {ok, Text} = file:read_file(File),
                   [Used | _] = string:lexemes(binary_to_list(Text), " "),
                   list_to_integer(Used)
               end || OsPid <- OsPids,
                      File <- filelib:wildcard("/proc/" ++ OsPid ++ "/task/*/schedstat")]).

%% The most bytes that an OS process has had in memory.
peak_resident(OsPid) ->
    {ok, Text} = file:read_file("/proc/" ++ OsPid ++ "/status"),
    {match, [KiB]} = re:run(Text, "VmHWM:\\s*([0-9]+) kB", [{capture, [1], list}]),
    list_to_integer(KiB) * 1024.
