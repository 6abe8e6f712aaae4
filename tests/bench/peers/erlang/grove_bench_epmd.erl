%% SPDX-License-Identifier: Apache-2.0
%%
%% Stands in for epmd (`-start_epmd false -epmd_module grove_bench_epmd`), so that no daemon is
%% started or left behind. A node listens on whatever port the kernel gives it and remembers it;
%% whoever starts a peer is told the peer's port over a pipe and enters it with add/2.
-module(grove_bench_epmd).

-export([add/2, own_port/0]).
-export([start_link/0, register_node/2, register_node/3, listen_port_please/2, port_please/2,
         port_please/3, address_please/3, names/1]).

%% Name is the part before the @, as a string.
add(Name, Port) -> persistent_term:put({?MODULE, Name}, Port).

own_port() -> persistent_term:get({?MODULE, own}).

start_link() -> ignore.

register_node(Name, Port) -> register_node(Name, Port, inet).

register_node(_Name, Port, _Family) ->
    persistent_term:put({?MODULE, own}, Port),
    {ok, rand:uniform(16#ffffff)}.

listen_port_please(_Name, _Host) -> {ok, 0}.

port_please(Name, Host) -> port_please(Name, Host, infinity).

port_please(Name, _Host, _Timeout) ->
    case persistent_term:get({?MODULE, Name}, undefined) of
        undefined -> noport;
        Port -> {port, Port, 6}
    end.

address_please(_Name, Host, Family) -> inet:getaddr(Host, Family).

names(_Host) -> {error, address}.
