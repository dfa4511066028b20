#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "runtime/cancellation.h"

namespace ocrnet {

/// A thread of its own that does one job after the other. A job must not throw.
class JobQueue {
 public:
  using Job = std::function<void()>;

  /// `start` runs first on the new thread.
  explicit JobQueue(Job start);
  ~JobQueue() { close(); }
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;

  /// False once the queue is closed: the job is then not taken.
  bool post(Job job);

  /// Waits until at most so many of the jobs that were posted are not done. Not for the queue's own jobs.
  void await(std::size_t most);

  /// Set by `close`; jobs look at it and end early.
  const StopFlag& stopping() const { return stopping_; }

  /// Sets `stopping`, lets the jobs that were posted come to their end and joins the thread. May be called
  /// again.
  void close();

 private:
  void run();

  StopFlag stopping_ = makeStopFlag();
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  std::size_t unfinished_ = 0;
  bool closed_ = false;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace ocrnet
