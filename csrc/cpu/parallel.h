// Parallel loops on torch's own threads or, where these are not accessible, on a pool that is created once.
//
// For the same bits with any number of threads: cut the work by its size, never by the number of threads, let each task
// write its own output, and add partial results in the order of the tasks.
#pragma once
#include <algorithm>
#include <cstdint>
#include <type_traits>

namespace pcseg {

// Calls run(context, task, worker) once for every task in [0, tasks). worker < threads is constant during a task and
// no two tasks run under one worker at a time, so it can index scratch memory. Tasks start in ascending order.
// An exception thrown by a task is rethrown here once all threads have stopped.
// Called from within a task it runs on the calling thread.
void run_tasks(int64_t threads, int64_t tasks, void (*run)(void* context, int64_t task, int64_t worker), void* context);

template <class Body>  // body(task, worker)
void parallel_tasks(int64_t threads, int64_t tasks, Body&& body) {
    run_tasks(
        threads, tasks,
        [](void* context, int64_t task, int64_t worker) {
            (*static_cast<std::remove_reference_t<Body>*>(context))(task, worker);
        },
        &body);
}

template <class Body>  // body(begin, end), over [0, size) in blocks of `grain`
void parallel_blocks(int64_t threads, int64_t size, int64_t grain, Body&& body) {
    parallel_tasks(threads, (size + grain - 1) / grain, [&](int64_t block, int64_t) {
        body(block * grain, std::min(size, (block + 1) * grain));
    });
}

}  // namespace pcseg
