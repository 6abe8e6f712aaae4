%% SPDX-License-Identifier: Apache-2.0
%%
%% Erlang's side of Grove's benchmark rows: starts nodes and measures. The rows are in
%% grove_bench_local, grove_bench_remote and grove_bench_names. run.sh starts a node for each suffix:
%%
%%     erl ... -run grove_bench_peer main ROW SUFFIX
%%
%% prints "ROW[.FIGURE]SUFFIX erlang VALUE UNIT" and halts: 0 if all went well. Distributed rows
%% start their other nodes themselves (start_peer/1), with as many schedulers as this one has, and
%% stop them before they end. A peer halts when its standard input closes, so it never outlives us.
%%
%% Every row is one measurement after a warm-up of a tenth of its size. GROVE_BENCH_SCALE
%% multiplies the sizes.
-module(grove_bench_peer).

-export([main/1, peer_main/0, peer_main/1]).
-export([with_peer/1, with_peer/2, start_peer/1, await_exit/1]).
-export([pong/0, send_loop/2, receive_loop/1]).
-export([scaled/1, warm_then_run/2, timed/1, in_fresh_process/1, in_fresh_process/2, percentile/2]).

-define(TIME_LIMIT, 180_000).
-define(PEER_START_LIMIT, 30_000).
-define(KILL_LIMIT, 10_000).

main([Row, Suffix]) ->
    spawn(fun() ->
        timer:sleep(?TIME_LIMIT),
        fail("~s: not done after ~b ms", [Row, ?TIME_LIMIT])
    end),
    spawn(fun() ->
        try
            [io:format("~s~s~s erlang ~s ~s~n", [Row, Figure, Suffix, number(Value), Unit])
             || {Figure, Value, Unit} <- grove_bench_names:row(Row)],
            halt(0)
        catch
            Class:Reason:Stack -> fail("~s: ~p:~p~n~p", [Row, Class, Reason, Stack])
        end
    end).

%%% The second node.

with_peer(Fun) -> with_peer("peer", Fun).

with_peer(Name, Fun) ->
    {Node, OsPid, Port} = start_peer(Name),
    true = monitor_node(Node, true),
    try
        Fun(Node)
    after
        true = monitor_node(Node, false),
        receive {nodedown, Node} -> ok after 0 -> ok end,
        _ = os:cmd("kill -KILL " ++ integer_to_list(OsPid)),
        await_exit(Port)
    end.

%% The peer takes its flags from the ERL_FLAGS that run.sh set for this node too. It says on its
%% standard output where it listens; it and the peers before it are told of each other, because all
%% nodes connect to all.
start_peer(Name) ->
    Before = [begin
                  [Other, _] = string:lexemes(atom_to_list(Peer), "@"),
                  {port, At, _} = grove_bench_epmd:port_please(Other, local),
                  [Other, integer_to_list(At)]
              end || Peer <- nodes()],
    Arguments = ["-name", Name ++ "@127.0.0.1", "-run", ?MODULE_STRING, "peer_main"],
    Port = open_port({spawn_executable, os:find_executable("erl")},
                     [{args, Arguments ++ lists:append(Before)}, {line, 1000}, exit_status]),
    {os_pid, OsPid} = erlang:port_info(Port, os_pid),
    ListensAt = peer_listens_at(Port),
    grove_bench_epmd:add(Name, ListensAt),
    [ok = erpc:call(Peer, grove_bench_epmd, add, [Name, ListensAt]) || Peer <- nodes()],
    Node = list_to_atom(Name ++ "@127.0.0.1"),
    true = net_kernel:connect_node(Node),
    {Node, OsPid, Port}.

peer_listens_at(Port) ->
    receive
        {Port, {data, {eol, "listening " ++ Number}}} -> list_to_integer(Number);
        {Port, {data, _}} -> peer_listens_at(Port);
        {Port, {exit_status, Status}} -> error({peer_exited, Status})
    after ?PEER_START_LIMIT -> error(peer_does_not_start)
    end.

peer_main([Other, At | Others]) ->
    grove_bench_epmd:add(Other, list_to_integer(At)),
    peer_main(Others);
peer_main([]) ->
    peer_main().

peer_main() ->
    spawn(fun() ->
        io:format("listening ~b~n", [grove_bench_epmd:own_port()]),
        _ = io:get_line(""),
        halt(0)
    end).

await_exit(Port) ->
    receive
        {Port, {exit_status, _}} -> ok
    after ?KILL_LIMIT -> error(peer_survives_kill)
    end.

%%% Processes of several rows.

pong() ->
    receive
        {Pinger, start} ->
            Pinger ! ready,
            pong_loop(Pinger)
    end.

pong_loop(Pinger) ->
    receive
        {ping, N} ->
            Pinger ! {pong, N},
            pong_loop(Pinger);
        stop ->
            ok
    end.

send_loop(_To, 0) ->
    ok;
send_loop(To, N) ->
    To ! {tag, N},
    send_loop(To, N - 1).

receive_loop(0) ->
    ok;
receive_loop(N) ->
    receive {tag, _} -> receive_loop(N - 1) end.

%%% Measuring.

scaled(N) ->
    Scale = case os:getenv("GROVE_BENCH_SCALE") of
        false -> 1;
        "" -> 1;
        Text -> to_number(Text)
    end,
    max(1, round(N * Scale)).

to_number(Text) ->
    case string:to_float(Text) of
        {Float, ""} -> Float;
        _ -> list_to_integer(Text)
    end.

warm_then_run(Size, Fun) ->
    N = max(10, scaled(Size)),
    _ = Fun(N div 10),
    Fun(N).

timed(Fun) ->
    Start = erlang:monotonic_time(nanosecond),
    Fun(),
    (erlang:monotonic_time(nanosecond) - Start) / 1.0e9.

in_fresh_process(Fun) -> in_fresh_process(Fun, []).

in_fresh_process(Fun, Options) ->
    {Pid, Monitor} = spawn_opt(fun() -> exit({result, Fun()}) end, [monitor | Options]),
    receive
        {'DOWN', Monitor, process, Pid, {result, Result}} -> Result;
        {'DOWN', Monitor, process, Pid, Reason} -> error(Reason);
        {nodedown, Node} -> error({nodedown, Node})
    end.

%% Nearest rank.
percentile(Samples, Fraction) ->
    lists:nth(max(1, ceil(Fraction * length(Samples))), lists:sort(Samples)).

number(Value) when Value >= 1000 -> integer_to_list(round(Value));
number(Value) -> float_to_list(float(Value), [{decimals, 3}]).

fail(Format, Args) ->
    io:format(standard_error, "grove_bench_peer: " ++ Format ++ "~n", Args),
    halt(1).
