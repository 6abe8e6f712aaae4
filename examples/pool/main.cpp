// SPDX-License-Identifier: Apache-2.0
//
//   pool run --name a --clients 5
#include "doubler.hpp"
#include "pool_toy.hpp"

namespace {

struct Begin {};

/// Starts a pool, and a client for each number to double.
class Story : public grove::GenServer {
 public:
  using Handles = grove::Handles<Begin>;
  explicit Story(unsigned clients) : clients_{clients} { continue_with(Begin{}); }

  grove::Task<> handle_continue(Begin) {
    const pool_toy::PoolArgs args{
        .name = "poolio", .worker_spec = grove::child<pool_toy::Doubler>("doubler"), .size = 3};
    const grove::StartResult pool = co_await pool_toy::start_pool(context(), args);
    node().log().info("start poolio, 3 workers: " + to_string(pool));
    for (unsigned i = 1; i <= clients_; ++i) context().spawn(client, static_cast<int>(i));
  }

 private:
  static grove::Task<> client(grove::Context& context, int number) {
    const std::string name = "client " + std::to_string(number) + ": ";
    const auto say = [&](const std::string& text) { context.node().log().info(name + text); };
    auto worker = co_await pool_toy::checkout(context, "poolio");
    while (!worker) {
      say("full");
      co_await context.sleep_for(std::chrono::milliseconds{300});
      worker = co_await pool_toy::checkout(context, "poolio");
    }
    const int doubled = co_await pool_toy::compute(context, *worker, number);
    say(std::to_string(doubled) + " from " + to_string(*worker));
    if (number % 2 == 0) context.exit(grove::ExitReason::symbol("forgot_to_check_in"));
    pool_toy::checkin(context, "poolio", *worker);
  }

  unsigned clients_;
};

}  // namespace

int main(int argc, char** argv) {
  unsigned clients = 5;
  grove::App app;
  app.number("--clients", "let so many clients share the three workers", clients);
  app.supervise([&] {
    grove::SupervisorSpec top = pool_toy::application();
    top.children.push_back(grove::child<Story>("story", clients));
    return top;
  });
  return grove::run(argc, argv, app);
}
