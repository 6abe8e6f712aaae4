// SPDX-License-Identifier: Apache-2.0
//
//   vm_lifecycle run --name a --database vm.db --create web-1 --create web-2
#include "application.hpp"

using Words = std::vector<std::string>;

/// Asks the manager for what the command line says, and is done.
class Customer : public grove::GenServer {
 public:
  Customer(Words created, Words destroyed) : created_{created}, destroyed_{destroyed} {}
  grove::Task<grove::Init> init() {
    for (const std::string& id : created_) {
      const std::string answer = co_await context().call<vm::Create>("manager", id, size_);
      node().log().info("create " + id + ": " + answer);
    }
    for (const std::string& id : destroyed_) {
      const std::string answer = co_await context().call<vm::Destroy>("manager", id);
      node().log().info("destroy " + id + ": " + answer);
    }
    co_return grove::Init::ignore();
  }

 private:
  const std::string size_ = "small";
  Words created_;
  Words destroyed_;
};

int main(int argc, char** argv) {
  Words database, created, destroyed;
  unsigned faults = 10;
  grove::App app;
  app.option("--database", "the file of the records; vm.db", database)
      .option("--create", "create this machine", created)
      .option("--destroy", "destroy this machine", destroyed)
      .number("--faults", "let so many of 100 steps fail; 10", faults);
  app.supervise([&] {
    auto top =
        vm::application(database.empty() ? "vm.db" : database.back(), vm::simulated_cloud(faults));
    top.children.push_back(
        grove::child<Customer>("customer", created, destroyed).with(grove::temporary));
    return top;
  });
  return grove::run(argc, argv, app);
}
