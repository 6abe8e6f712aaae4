%% SPDX-License-Identifier: Apache-2.0
%%
%% Erlang's side of those of Grove's benchmark rows that need one node only; see grove_bench_peer.
-module(grove_bench_local).
-behaviour(gen_server).

-export([row/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).
-export([start_crasher/1, start_worker/1, call_loop/2]).

-import(grove_bench_peer, [send_loop/2, receive_loop/1, scaled/1, warm_then_run/2, timed/1,
                           in_fresh_process/1, in_fresh_process/2, percentile/2]).

row("pingpong") ->
    warm_then_run(3_000_000, fun pingpong/1);
row("fanin") ->
    warm_then_run(1_000_000, fun fanin/1);
row("ring") ->
    warm_then_run(5_000_000, fun ring/1);
row("spawn") ->
    warm_then_run(1_000_000, fun spawn_all/1);
row("skynet") ->
    warm_then_run(1_000_000, fun skynet/1);
row("supervisor_restarts") ->
    logger:set_primary_config(level, none),
    warm_then_run(100_000, fun(N) -> supervisor_restarts("", stop, N) end) ++
        warm_then_run(100_000, fun(N) -> supervisor_restarts(".throw", throw, N) end);
row("dynsup_start") ->
    warm_then_run(100_000, fun dynsup_start/1);
row("idle_memory") ->
    idle_memory(max(1_000, scaled(1_000_000)));
row("call") ->
    warm_then_run(1_000_000, fun call/1);
row("link_storm") ->
    warm_then_run(100_000, fun link_storm/1);
row("timers") ->
    warm_then_run(1_000_000, fun arm_and_cancel/1) ++
        warm_then_run(1_000_000, fun arm_then_cancel/1) ++
        warm_then_run(100_000, fun fire/1) ++
        lateness(max(10, scaled(1_000)));
row("blocked_worker") ->
    blocked_worker(max(200, scaled(2_000))).

%% Two processes, N round trips of {tag, int}; messages of both directions count.
pingpong(N) ->
    Ponger = spawn_link(fun grove_bench_peer:pong/0),
    Seconds = in_fresh_process(fun() -> ping(Ponger, N) end),
    Ponger ! stop,
    [{"", 2 * N / Seconds, "msg/s"}].

ping(Ponger, N) ->
    Ponger ! {self(), start},
    receive ready -> ok end,
    timed(fun() -> ping_loop(Ponger, N) end).

ping_loop(_Ponger, 0) ->
    ok;
ping_loop(Ponger, N) ->
    Ponger ! {ping, N},
    receive {pong, N} -> ping_loop(Ponger, N - 1) end.

%% Eight senders of N messages each, one receiver whose queue is kept off its heap.
fanin(N) ->
    Senders = 8,
    Seconds = in_fresh_process(
        fun() ->
            Self = self(),
            Pids = [spawn_link(fun() -> receive go -> send_loop(Self, N) end end)
                    || _ <- lists:seq(1, Senders)],
            timed(fun() ->
                [Pid ! go || Pid <- Pids],
                receive_loop(Senders * N)
            end)
        end,
        [{message_queue_data, off_heap}]),
    [{"", Senders * N / Seconds, "msg/s"}].

%% 503 processes pass a token on, N times.
ring(N) ->
    Seconds = in_fresh_process(fun() ->
        Self = self(),
        Last = spawn_link(fun() -> receive {next, Next} -> ring_loop(Next, Self) end end),
        First = lists:foldl(fun(_, Next) -> spawn_link(fun() -> ring_loop(Next, Self) end) end,
                            Last, lists:seq(2, 503)),
        Last ! {next, First},
        timed(fun() ->
            Last ! {token, N},
            receive done -> ok end
        end)
    end),
    [{"", N / Seconds, "hop/s"}].

ring_loop(Next, Owner) ->
    receive
        {token, 0} ->
            Owner ! done,
            ring_loop(Next, Owner);
        {token, N} ->
            Next ! {token, N - 1},
            ring_loop(Next, Owner)
    end.

%% Spawns N processes that run and exit, until all of them are gone.
spawn_all(N) ->
    Seconds = in_fresh_process(fun() ->
        Before = erlang:system_info(process_count),
        timed(fun() ->
            spawn_loop(N),
            wait_until_gone(Before)
        end)
    end),
    [{"", N / Seconds, "proc/s"}].

spawn_loop(0) ->
    ok;
spawn_loop(N) ->
    spawn(fun() -> ok end),
    spawn_loop(N - 1).

wait_until_gone(Before) ->
    case erlang:system_info(process_count) > Before of
        true ->
            erlang:yield(),
            wait_until_gone(Before);
        false ->
            ok
    end.

%% A tree of processes, ten below each, with Size leaves (the power of ten below), that sums them.
skynet(Size) ->
    Leaves = whole_tree(1, Size),
    Seconds = in_fresh_process(fun() ->
        Self = self(),
        timed(fun() ->
            spawn(fun() -> tree(Self, 0, Leaves) end),
            Sum = Leaves * (Leaves - 1) div 2,
            receive Sum -> ok end
        end)
    end),
    [{"", 1_000 * Seconds, "ms"}].

whole_tree(Leaves, Size) when Leaves * 10 =< Size -> whole_tree(Leaves * 10, Size);
whole_tree(Leaves, _Size) -> Leaves.

tree(Parent, First, 1) ->
    Parent ! First;
tree(Parent, First, Leaves) ->
    Self = self(),
    Each = Leaves div 10,
    [spawn(fun() -> tree(Self, First + I * Each, Each) end) || I <- lists:seq(0, 9)],
    Parent ! sum(10, 0).

sum(0, Sum) -> Sum;
sum(Left, Sum) -> receive Value -> sum(Left - 1, Sum + Value) end.

%% All 1,000 children of a supervisor crash, until all are back; N crashes in all. A supervisor of
%% OTP takes longer the more restarts it remembers, so each of them does this once only.
supervisor_restarts(Figure, How, N) ->
    Waves = max(1, N div 1_000),
    Seconds = in_fresh_process(fun() ->
        lists:sum([crash_all(How) || _ <- lists:seq(1, Waves)])
    end),
    [{Figure, Waves * 1_000 / Seconds, "restart/s"}].

crash_all(How) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, {supervisor, self()}),
    Children = [receive {started, Child} -> Child end || _ <- lists:seq(1, 1_000)],
    Seconds = timed(fun() ->
        [Child ! How || Child <- Children],
        [receive {started, _} -> ok end || _ <- Children]
    end),
    unlink(Supervisor),
    gen_server:stop(Supervisor, shutdown, infinity),
    Seconds.

start_crasher(Observer) -> gen_server:start_link(?MODULE, {crasher, Observer}, []).

%% A simple_one_for_one supervisor starts N children, one by one, and ends them all.
dynsup_start(N) ->
    {Start, Stop} = in_fresh_process(fun() ->
        {ok, Supervisor} = supervisor:start_link(?MODULE, simple_one_for_one),
        unlink(Supervisor),
        {timed(fun() -> start_children(Supervisor, N) end),
         timed(fun() -> gen_server:stop(Supervisor, shutdown, infinity) end)}
    end),
    [{"", N / (Start + Stop), "child/s"}, {".start", N / Start, "child/s"},
     {".stop", N / Stop, "child/s"}].

start_children(_Supervisor, 0) ->
    ok;
start_children(Supervisor, N) ->
    {ok, _} = supervisor:start_child(Supervisor, [[]]),
    start_children(Supervisor, N - 1).

start_worker(State) -> gen_server:start_link(?MODULE, State, []).

%% Bytes of this OS process for each of N idle processes.
idle_memory(N) ->
    Bytes = in_fresh_process(fun() ->
        Started = counters:new(1, []),
        Before = resident_bytes(),
        spawn_idle(N, Started),
        wait_until_started(N, Started),
        resident_bytes() - Before
    end),
    [{"", Bytes / N, "B"}].

spawn_idle(0, _Started) ->
    ok;
spawn_idle(N, Started) ->
    spawn(fun() -> idle(Started) end),
    spawn_idle(N - 1, Started).

idle(Started) ->
    counters:add(Started, 1, 1),
    receive stop -> ok end.

wait_until_started(N, Started) ->
    case counters:get(Started, 1) < N of
        true ->
            timer:sleep(1),
            wait_until_started(N, Started);
        false ->
            ok
    end.

resident_bytes() ->
    {ok, Text} = file:read_file("/proc/" ++ os:getpid() ++ "/statm"),
    [_Size, Resident | _] = string:lexemes(binary_to_list(Text), " "),
    4096 * list_to_integer(Resident).

%% N calls of a gen_server, one after the other, with the default timeout.
call(N) ->
    Seconds = in_fresh_process(fun() ->
        {ok, Server} = gen_server:start_link(?MODULE, [], []),
        timed(fun() -> call_loop(Server, N) end)
    end),
    [{"", N / Seconds, "call/s"}].

call_loop(_Server, 0) ->
    ok;
call_loop(Server, N) ->
    _ = gen_server:call(Server, {add, 1}),
    call_loop(Server, N - 1).

init([]) -> {ok, 0};
init({crasher, Observer}) ->
    Observer ! {started, self()},
    {ok, Observer};
init(simple_one_for_one) ->
    Worker = #{id => worker, start => {?MODULE, start_worker, []}, restart => temporary},
    {ok, {#{strategy => simple_one_for_one}, [Worker]}};
init({supervisor, Observer}) ->
    Start = {?MODULE, start_crasher, [Observer]},
    {ok, {#{intensity => 1_000, period => 3_600},
          [#{id => Id, start => Start} || Id <- lists:seq(1, 1_000)]}}.
handle_call({add, By}, _From, Sum) -> {reply, Sum + By, Sum + By}.
handle_cast(_Message, Sum) -> {noreply, Sum}.
handle_info(stop, State) -> {stop, crash, State};
handle_info(throw, _State) -> error(crash).

%% N children linked to one parent and monitored by this process; then the parent is killed.
link_storm(N) ->
    {Setup, Down} = in_fresh_process(fun() ->
        Self = self(),
        Start = erlang:monotonic_time(nanosecond),
        Parent = spawn(fun() ->
            spawn_children(Self, N),
            receive stop -> ok end
        end),
        monitor_children(N),
        Killed = erlang:monotonic_time(nanosecond),
        exit(Parent, kill),
        wait_for_downs(N),
        {Killed - Start, erlang:monotonic_time(nanosecond) - Killed}
    end, [{message_queue_data, off_heap}]),
    [{".setup", N / (Setup / 1.0e9), "proc/s"}, {".down", Down / 1.0e6, "ms"}].

spawn_children(_Observer, 0) ->
    ok;
spawn_children(Observer, N) ->
    Observer ! {born, spawn_link(fun() -> receive stop -> ok end end)},
    spawn_children(Observer, N - 1).

monitor_children(0) ->
    ok;
monitor_children(N) ->
    receive {born, Child} -> erlang:monitor(process, Child) end,
    monitor_children(N - 1).

wait_for_downs(0) ->
    ok;
wait_for_downs(N) ->
    receive {'DOWN', _, process, _, _} -> wait_for_downs(N - 1) end.

%%% Timers.

-define(FAR, 3_600_000).

arm_and_cancel(N) ->
    Seconds = in_fresh_process(fun() -> timed(fun() -> arm_and_cancel_loop(N) end) end),
    [{".armcancel", N / Seconds, "timer/s"}].

arm_and_cancel_loop(0) ->
    ok;
arm_and_cancel_loop(N) ->
    erlang:cancel_timer(erlang:send_after(?FAR, self(), tick)),
    arm_and_cancel_loop(N - 1).

%% Arms until N are pending, then cancels them all.
arm_then_cancel(N) ->
    {Arm, Cancel} = in_fresh_process(fun() ->
        Start = erlang:monotonic_time(nanosecond),
        Timers = arm_loop(N, []),
        Armed = erlang:monotonic_time(nanosecond),
        [erlang:cancel_timer(Timer) || Timer <- Timers],
        {Armed - Start, erlang:monotonic_time(nanosecond) - Armed}
    end),
    [{".arm", N / (Arm / 1.0e9), "timer/s"}, {".cancel", N / (Cancel / 1.0e9), "timer/s"}].

arm_loop(0, Timers) -> Timers;
arm_loop(N, Timers) ->
    arm_loop(N - 1, [erlang:send_after(?FAR + N rem 1_000, self(), tick) | Timers]).

%% N timers that are all due at one instant; per second from then on.
fire(N) ->
    Nanoseconds = in_fresh_process(fun() ->
        Due = erlang:monotonic_time(millisecond) + 1_000,
        [erlang:send_after(Due, self(), tick, [{abs, true}]) || _ <- lists:seq(1, N)],
        wait_for_ticks(N),
        late(Due)
    end),
    [{".fire", N / (Nanoseconds / 1.0e9), "timer/s"}].

wait_for_ticks(0) ->
    ok;
wait_for_ticks(N) ->
    receive tick -> wait_for_ticks(N - 1) end.

%% How late each of N timers is, one due every millisecond.
lateness(N) ->
    Samples = in_fresh_process(fun() ->
        Start = erlang:monotonic_time(millisecond) + 50,
        [erlang:send_after(Due, self(), {tick, Due}, [{abs, true}])
         || Due <- lists:seq(Start, Start + N - 1)],
        [receive {tick, Due} -> late(Due) end || Due <- lists:seq(Start, Start + N - 1)]
    end),
    [{".late_p50", percentile(Samples, 0.50) / 1.0e3, "us"},
     {".late_p99", percentile(Samples, 0.99) / 1.0e3, "us"}].

late(Due) -> erlang:monotonic_time(nanosecond) - Due * 1_000_000.

%%% A blocked worker. Nothing in Erlang blocks a scheduler, so a process counts for that time.

-define(BUCKET, 50).  % nanoseconds
-define(BUCKETS, 200_000).

blocked_worker(Milliseconds) ->
    _ = round_trips(Milliseconds div 10, 0),
    {Undisturbed, _} = round_trips(Milliseconds, 0),
    {Blocked, Longest} = round_trips(Milliseconds, Milliseconds),
    [{"", Blocked / Undisturbed, "ratio"}, {".longest", Longest / 1.0e6, "ms"}].

%% Round trips during Window beside a process that is busy for Block: their p99, and the longest.
round_trips(Window, Block) ->
    Ponger = spawn_link(fun grove_bench_peer:pong/0),
    Result = in_fresh_process(fun() ->
        Ponger ! {self(), start},
        receive ready -> ok end,
        Self = self(),
        spawn_link(fun() ->
            Now = erlang:monotonic_time(nanosecond),
            Self ! {go, Now},
            busy_until(Now + Block * 1_000_000)
        end),
        Counts = counters:new(?BUCKETS, []),
        receive
            {go, Since} ->
                Longest = probe_loop(Ponger, Counts, Since, Since + Window * 1_000_000, 0),
                {p99(Counts), Longest}
        end
    end),
    Ponger ! stop,
    Result.

busy_until(End) ->
    case erlang:monotonic_time(nanosecond) < End of
        true -> busy_until(End);
        false -> ok
    end.

probe_loop(Ponger, Counts, Sent, End, Longest) ->
    Ponger ! {ping, Sent},
    receive {pong, Sent} -> ok end,
    Now = erlang:monotonic_time(nanosecond),
    counters:add(Counts, min((Now - Sent) div ?BUCKET, ?BUCKETS - 1) + 1, 1),
    case Now < End of
        true -> probe_loop(Ponger, Counts, Now, End, max(Longest, Now - Sent));
        false -> max(Longest, Now - Sent)
    end.

p99(Counts) ->
    Total = lists:sum([counters:get(Counts, I) || I <- lists:seq(1, ?BUCKETS)]),
    p99(Counts, 1, ceil(0.99 * Total)).

p99(Counts, I, Left) ->
    case Left - counters:get(Counts, I) of
        Rest when Rest =< 0 -> I * ?BUCKET;
        Rest -> p99(Counts, I + 1, Rest)
    end.
