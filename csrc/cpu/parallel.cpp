// The thread pool behind parallel.h.
#include "parallel.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

namespace pcseg {
namespace {

struct Job {
    void (*run)(void*, int64_t, int64_t);
    void* context;
    int64_t tasks;
    std::atomic<int64_t> next{0};
    std::mutex failed;
    std::exception_ptr failure;

    void work(int64_t worker) {
        try {
            for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;)
                run(context, task, worker);
        } catch (...) {
            next.store(tasks);
            std::lock_guard<std::mutex> lock(failed);
            failure = std::current_exception();
        }
    }
};

class Pool {
   public:
    // False if another thread is using the pool.
    bool run(Job& job, int64_t workers) {
        std::unique_lock<std::mutex> owner(busy_, std::try_to_lock);
        if (!owner.owns_lock()) return false;
        grow(workers - 1);
        {
            std::lock_guard<std::mutex> lock(state_);
            job_ = &job;
            wanted_ = workers - 1;
            ++round_;
        }
        start_.notify_all();
        job.work(0);
        std::unique_lock<std::mutex> lock(state_);
        job_ = nullptr;  // who has not woken up by now has missed the job; nobody waits for him
        done_.wait(lock, [this] { return running_ == 0; });
        return true;
    }

   private:
    void grow(int64_t threads) {
        while (threads_ < threads) {
            try {
                std::thread([this, worker = threads_ + 1] { wait_for_jobs(worker); }).detach();
            } catch (const std::system_error&) {
                return;  // the system gives no more threads: those that are there do the work
            }
            ++threads_;
        }
    }

    void wait_for_jobs(int64_t worker) {
        uint64_t seen = 0;
        std::unique_lock<std::mutex> lock(state_);
        for (;;) {
            start_.wait(lock, [&] { return job_ != nullptr && round_ != seen && worker <= wanted_; });
            seen = round_;
            Job& job = *job_;
            ++running_;
            lock.unlock();
            job.work(worker);
            lock.lock();
            if (--running_ == 0) done_.notify_one();
        }
    }

    std::mutex busy_, state_;
    std::condition_variable start_, done_;
    Job* job_ = nullptr;
    uint64_t round_ = 0;
    int64_t threads_ = 0, wanted_ = 0, running_ = 0;
};

// Never destroyed: its threads wait until the process ends. A forked child has none of them and perhaps a lock that
// nobody will open, so it forgets the pool and makes its own at first use.
std::atomic<Pool*> the_pool{nullptr};

Pool& pool() {
    static const int registered = pthread_atfork(nullptr, nullptr, [] { the_pool.store(nullptr); });
    (void)registered;
    Pool* found = the_pool.load();
    if (found == nullptr) {
        Pool* made = new Pool;
        if (the_pool.compare_exchange_strong(found, made)) return *made;
        delete made;
    }
    return *found;
}

}  // namespace

void run_tasks(int64_t threads, int64_t tasks, void (*run)(void*, int64_t, int64_t), void* context) {
    Job job;
    job.run = run;
    job.context = context;
    job.tasks = tasks;
    const int64_t workers = std::min(threads, tasks);
    if (workers <= 1 || !pool().run(job, workers)) job.work(0);
    if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace pcseg
