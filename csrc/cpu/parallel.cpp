// The threads behind parallel.h: torch's own where it runs on GNU OpenMP, else a pool.
//
// GNU OpenMP's threads wait for work in a busy loop of some milliseconds. The threads of a separate pool would compete
// with them for the processors after every op of torch, so tasks run on those threads.
#include "parallel.h"

#include <dlfcn.h>
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
    std::atomic<int64_t> next{0}, workers{0};
    std::mutex failed;
    std::exception_ptr failure;

    void work() {
        const int64_t worker = workers++;
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
        job.work();
        std::unique_lock<std::mutex> lock(state_);
        job_ = nullptr;  // threads that have not woken up yet miss the job; nobody waits for them
        done_.wait(lock, [this] { return running_ == 0; });
        return true;
    }

   private:
    void grow(int64_t threads) {
        while (threads_ < threads) {
            try {
                std::thread([this, number = threads_ + 1] { wait_for_jobs(number); }).detach();
            } catch (const std::system_error&) {
                return;  // the system refuses more threads: the existing ones do the work
            }
            ++threads_;
        }
    }

    void wait_for_jobs(int64_t number) {
        uint64_t seen = 0;
        std::unique_lock<std::mutex> lock(state_);
        for (;;) {
            start_.wait(lock, [&] { return job_ != nullptr && round_ != seen && number <= wanted_; });
            seen = round_;
            Job& job = *job_;
            ++running_;
            lock.unlock();
            job.work();
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

// Never destroyed: its threads wait until the process ends. A forked child has none of them and perhaps a lock that is
// never released, so it forgets the pool and creates its own at first use.
std::atomic<Pool*> the_pool{nullptr};

Pool& pool() {
    Pool* found = the_pool.load();
    if (found == nullptr) {
        Pool* made = new Pool;
        if (the_pool.compare_exchange_strong(found, made)) return *made;
        delete made;
    }
    return *found;
}

// GOMP_parallel of the libgomp that torch has loaded, or null; also null in a forked child, where torch's threads no
// longer exist but libgomp assumes they do.
using Parallel = void (*)(void (*)(void*), void*, unsigned threads, unsigned flags);
std::atomic<Parallel> torch_threads{nullptr};

void find_threads() {
    torch_threads = reinterpret_cast<Parallel>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
    pthread_atfork(nullptr, nullptr, [] {
        the_pool.store(nullptr);
        torch_threads.store(nullptr);
    });
}

}  // namespace

void run_tasks(int64_t threads, int64_t tasks, void (*run)(void*, int64_t, int64_t), void* context) {
    Job job;
    job.run = run;
    job.context = context;
    job.tasks = tasks;
    static std::once_flag once;
    std::call_once(once, find_threads);
    if (std::min(threads, tasks) <= 1) {
        job.work();
    } else if (const Parallel parallel = torch_threads) {  // all, even for few tasks: libgomp would end the others
        parallel([](void* shared) { static_cast<Job*>(shared)->work(); }, &job, static_cast<unsigned>(threads), 0);
    } else if (!pool().run(job, std::min(threads, tasks))) {
        job.work();
    }
    if (job.failure) std::rethrow_exception(job.failure);
}

}  // namespace pcseg
