// SPDX-License-Identifier: Apache-2.0
#include "grove/run.hpp"

int main(int argc, char** argv) { return grove::run(argc, argv); }
