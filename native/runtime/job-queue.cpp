#include "runtime/job-queue.h"

namespace ocrnet {

JobQueue::JobQueue(Job start) : unfinished_(1) {
  jobs_.push_back(std::move(start));
  thread_ = std::thread([this] { run(); });
}

bool JobQueue::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    jobs_.push_back(std::move(job));
    ++unfinished_;
  }
  changed_.notify_all();
  return true;
}

void JobQueue::await(std::size_t most) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return unfinished_ <= most; });
}

void JobQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  stopping_->store(true, std::memory_order_relaxed);
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void JobQueue::run() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closed_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
    job = nullptr;  // what it holds is gone when it counts as done
    {
      const std::lock_guard lock(mutex_);
      --unfinished_;
    }
    changed_.notify_all();
  }
}

}  // namespace ocrnet
