%% SPDX-License-Identifier: Apache-2.0
%%
%% Erlang's side of Grove's benchmark rows of names and groups: global and pg; see grove_bench_peer.
-module(grove_bench_names).

-export([row/1]).
-export([await_groups/3, start_scope/1]).

-import(grove_bench_peer, [with_peer/2, scaled/1, timed/1, in_fresh_process/1]).

-define(LOOKED_UP, 1_000).

row("name_register") -> on_three_and_five(fun register_names/2, max(10, scaled(2_000)));
row("group_join") -> on_three_and_five(fun join_groups/2, max(10, scaled(100_000)));
row("name_lookup") -> with_peer("peer", fun(_) -> name_lookup(max(10, scaled(2_000_000))) end);
row(Row) -> grove_bench_remote:row(Row).

on_three_and_five(Measure, N) ->
    lists:append([with_peers(Size, fun(Peers) ->
        _ = in_fresh_process(fun() -> Measure(Peers, N div 10) end),
        {Given, Known} = in_fresh_process(fun() -> Measure(Peers, N) end),
        Ending = "." ++ integer_to_list(Size),
        [{".acked" ++ Ending, N / Given, "op/s"}, {".converged" ++ Ending, N / Known, "op/s"}]
    end) || Size <- [3, 5]]).

%% Each cluster has names of its own, so that none is taken for one that has just ended.
with_peers(Size, Fun) -> with_peers(Size, Size - 1, Fun, []).

with_peers(_, 0, Fun, Peers) ->
    ok = global:sync(),
    Fun(Peers);
with_peers(Size, Left, Fun, Peers) ->
    with_peer(lists:concat(["peer", Size, "_", Left]),
              fun(Peer) -> with_peers(Size, Left - 1, Fun, [Peer | Peers]) end).

%% N processes get a name each. A registration returns when all nodes have it.
register_names(_Peers, N) ->
    Pids = idle_processes(N),
    Seconds = timed(fun() ->
        [yes = global:register_name(Name, Pid) || {Name, Pid} <- lists:zip(names(N), Pids)]
    end),
    end_all(Pids),
    await_no_names(),
    {Seconds, Seconds}.

%% N processes join a group each. A join returns when this node has it.
join_groups(Peers, N) ->
    Pids = idle_processes(N),
    Scope = list_to_atom(lists:concat(["scope", length(Peers), "_", N])),
    [ok = erpc:call(Node, ?MODULE, start_scope, [Scope]) || Node <- [node() | Peers]],
    Waiters = [spawn_link(Peer, ?MODULE, await_groups, [self(), Scope, N]) || Peer <- Peers],
    Start = erlang:monotonic_time(nanosecond),
    [ok = pg:join(Scope, Group, Pid) || {Group, Pid} <- lists:zip(lists:seq(1, N), Pids)],
    Given = erlang:monotonic_time(nanosecond) - Start,
    [receive {known, Waiter} -> ok end || Waiter <- Waiters],
    Known = erlang:monotonic_time(nanosecond) - Start,
    end_all(Pids),
    {Given / 1.0e9, Known / 1.0e9}.

start_scope(Scope) ->
    {ok, _} = pg:start(Scope),
    ok.

await_groups(Owner, Scope, N) ->
    case pg:get_members(Scope, N) =/= [] andalso length(pg:which_groups(Scope)) =:= N of
        true ->
            Owner ! {known, self()};
        false ->
            timer:sleep(1),
            await_groups(Owner, Scope, N)
    end.

%% Two processes look names up.
name_lookup(N) ->
    Pids = idle_processes(?LOOKED_UP),
    Names = names(?LOOKED_UP),
    [yes = global:register_name(Name, Pid) || {Name, Pid} <- lists:zip(Names, Pids)],
    [_, Seconds] = [timed(fun() -> in_two(fun() -> look_up(Names, Names, Each) end) end)
                    || Each <- [N div 10, N]],
    [{"", 2 * N / Seconds, "op/s"}].

in_two(Work) ->
    Monitors = [element(2, spawn_monitor(Work)) || _ <- [1, 2]],
    [receive {'DOWN', Monitor, process, _, normal} -> ok end || Monitor <- Monitors].

look_up(_, _, 0) ->
    ok;
look_up([], All, Left) ->
    look_up(All, All, Left);
look_up([Name | Names], All, Left) ->
    true = is_pid(global:whereis_name(Name)),
    look_up(Names, All, Left - 1).

names(N) -> [list_to_binary("name" ++ integer_to_list(I)) || I <- lists:seq(1, N)].

idle_processes(N) -> [spawn(fun() -> receive stop -> ok end end) || _ <- lists:seq(1, N)].

end_all(Pids) -> [Pid ! stop || Pid <- Pids].

await_no_names() ->
    case global:registered_names() of
        [] ->
            ok;
        _ ->
            timer:sleep(1),
            await_no_names()
    end.
