// SPDX-License-Identifier: Apache-2.0
//
//   counter run --name a --strategy rest_for_one
#include "counter.hpp"

#include <map>
#include <vector>

int main(int argc, char** argv) {
  const std::map<std::string, grove::Strategy> strategies{{"one_for_one", grove::one_for_one},
                                                          {"rest_for_one", grove::rest_for_one},
                                                          {"one_for_all", grove::one_for_all}};
  std::vector<std::string> chosen;
  grove::App app;
  app.option("--strategy", "one_for_one (the default), rest_for_one or one_for_all", chosen);
  app.supervise([&] {
    const std::string name = chosen.empty() ? "one_for_one" : chosen.back();
    if (!strategies.contains(name)) {
      throw std::invalid_argument{"no strategy: " + name +
                                  "; there are one_for_one, rest_for_one, one_for_all"};
    }
    return counters::three_counters(strategies.at(name));
  });
  return grove::run(argc, argv, app);
}
