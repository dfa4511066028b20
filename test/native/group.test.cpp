// Groups of threads that meet: sums with the same bits for all, and nobody who waits for ever. A test that
// hangs is ended by the time limit of whoever runs it.

#include "runtime/group.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"

namespace {

using namespace ocrnet;

int failures = 0;

void check(bool condition, const std::string& what) {
  if (condition) return;
  std::printf("%s\n", what.c_str());
  ++failures;
}

/// Calls act(member) on a thread for each member; the code of the error of each, empty where there is none.
std::vector<std::string> onThreads(std::size_t members, const std::function<void(std::size_t)>& act) {
  std::vector<std::string> codes(members);
  std::vector<std::thread> threads;
  for (std::size_t member = 0; member < members; ++member) {
    threads.emplace_back([&, member] {
      try {
        act(member);
      } catch (const Error& error) {
        codes[member] = error.code();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return codes;
}

Cancellation never() { return {nullptr, makeStopFlag()}; }

void reduce(Group& group, std::size_t member, std::span<float> values, bool average) {
  group.meet(member, std::as_writable_bytes(values), never(), [&](MemberMemories memories) {
    const Range all{0, static_cast<std::int64_t>(values.size())};
    reduceRange(memories,
                all.part(static_cast<std::int64_t>(member), static_cast<std::int64_t>(group.size())),
                average);
  });
}

void testSums(std::size_t members, std::size_t count, bool average) {
  const std::string what = std::to_string(members) + " members, " + std::to_string(count) + " numbers" +
                           (average ? ", mean: " : ": ");
  std::mt19937 engine(static_cast<unsigned>(members * 1000 + count));
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> values(members, std::vector<float>(count));
  for (auto& vector : values) {
    for (float& value : vector) value = normal(engine);
  }
  constexpr int kRounds = 20;  // a fast member comes again before a slow one has left
  std::vector<float> expected(count);
  auto state = values;
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < count; ++i) {
      double sum = 0;
      for (const auto& vector : state) sum += static_cast<double>(vector[i]);
      expected[i] = static_cast<float>(average ? sum / static_cast<double>(members) : sum);
    }
    for (std::size_t m = 0; m < members; ++m) {
      for (std::size_t i = 0; i < count; ++i) state[m][i] = expected[i] * static_cast<float>(m + 1) / 8;
    }
  }
  Group group(members);
  const auto codes = onThreads(members, [&](std::size_t m) {
    for (int round = 0; round < kRounds; ++round) {
      reduce(group, m, values[m], average);
      if (round + 1 == kRounds) return;
      for (float& value : values[m]) value = value * static_cast<float>(m + 1) / 8;
    }
  });
  for (std::size_t m = 0; m < members; ++m) {
    check(codes[m].empty(), what + "member " + std::to_string(m) + " failed: " + codes[m]);
    check(std::memcmp(values[m].data(), expected.data(), count * sizeof(float)) == 0,
          what + "member " + std::to_string(m) + " has other bits");
  }
}

void testIdentity() {
  Group group(1);
  std::vector<float> values{1.1f, -0.3f, 1e-30f}, before = values;
  for (const bool average : {false, true}) reduce(group, 0, values, average);
  check(values == before, "a group of one leaves numbers as they are");
}

/// Member 0 waits for the others until `end` happens; the code that it gets.
std::string waitUntil(Group& group, const Cancellation& cancellation, const std::function<void()>& end) {
  std::vector<float> values(16);
  return onThreads(2, [&](std::size_t thread) {
    if (thread == 0) {
      group.meet(0, std::as_writable_bytes(std::span(values)), cancellation, [](MemberMemories) {});
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(30));
      end();
    }
  })[0];
}

void testEndings() {
  for (const std::size_t members : {2, 4}) {
    const auto group = std::make_shared<Group>(members);
    const StopFlag run = makeStopFlag(), device = makeStopFlag();
    check(waitUntil(*group, {run, makeStopFlag()}, [&] { run->store(true); }) == "ABORTED",
          "a run that waits sees that it was aborted");
    check(waitUntil(*group, never(), [] {}) == "ABORTED", "which broke the group");
    group->renew();
    check(waitUntil(*group, {nullptr, device}, [&] { device->store(true); }) == "ABORTED",
          "a run that waits sees that its device was disposed of");
    group->renew();
    check(waitUntil(*group, never(), [&] { group->breakUp(); }) == "ABORTED",
          "breaking a group ends waiting");
    group->renew();
    std::optional<Membership> place(std::in_place, group, 1);
    check(waitUntil(*group, never(), [&] { place.reset(); }) == "ABORTED", "nobody waits for who is gone");

    // All wait but one, which stops: all end.
    group->renew();
    std::vector<std::vector<float>> values(members, std::vector<float>(8));
    const auto codes = onThreads(members, [&](std::size_t m) {
      if (m + 1 < members) {
        reduce(*group, m, values[m], false);
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        group->breakUp();
      }
    });
    for (std::size_t m = 0; m + 1 < members; ++m) check(codes[m] == "ABORTED", "all who wait get ABORTED");

    group->renew();
    const auto again = onThreads(members, [&](std::size_t m) { reduce(*group, m, values[m], true); });
    for (const std::string& code : again) check(code.empty(), "a renewed group meets again");
  }
}

void testMistakes() {
  const auto codeOf = [](const std::function<void()>& act) {
    return onThreads(1, [&](std::size_t) { act(); })[0];
  };
  check(codeOf([] { Group group(0); }) == "INVALID_ARGUMENT", "no members");
  check(codeOf([] { Group group(65); }) == "INVALID_ARGUMENT", "too many members");
  check(codeOf([] { Membership(std::make_shared<Group>(2), 2); }) == "INVALID_ARGUMENT", "no such member");

  Group group(3);
  std::vector<std::vector<float>> values{std::vector<float>(8), std::vector<float>(8), std::vector<float>(9)};
  const auto codes = onThreads(3, [&](std::size_t m) { reduce(group, m, values[m], false); });
  for (const std::string& code : codes)
    check(code == "INVALID_ARGUMENT", "different sizes fail on all members");

  std::string second, renewed;
  check(waitUntil(group, never(),
                  [&] {
                    second = codeOf([&] { reduce(group, 0, values[1], false); });
                    renewed = codeOf([&] { group.renew(); });
                    group.breakUp();
                  }) == "ABORTED",
        "the member that was there first waits on");
  check(second == "INVALID_ARGUMENT", "a member meets once at a time");
  check(renewed == "INVALID_ARGUMENT", "a group in which somebody waits is not renewed");

  // What a body throws reaches its own caller, and the others leave.
  group.renew();
  const auto thrown = onThreads(3, [&](std::size_t m) {
    group.meet(m, std::as_writable_bytes(std::span(values[0])), never(), [&](MemberMemories) {
      if (m == 1) throw Error("EXECUTION_FAILED", "on purpose");
    });
  });
  check(thrown == std::vector<std::string>{"", "EXECUTION_FAILED", ""}, "a body that throws");
}

}  // namespace

int main() {
  for (const std::size_t members : {1, 2, 3, 4}) {
    for (const std::size_t count : {1, 7, 513, 10007}) {
      for (const bool average : {false, true}) testSums(members, count, average);
    }
  }
  testIdentity();
  testEndings();
  testMistakes();
  std::printf("groups: %d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
