/* jobs.cc - a trace as a value in C++: captured in a lambda, kept in a container, adopted in
 * another thread, and in coroutines that go on in another thread. Ends with the line of the first
 * thing that is not so, or 0. */
#include <towbar/towbar.h>

#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>
#include <type_traits>
#include <vector>

#if defined(__cpp_impl_coroutine)
#include <coroutine>
#endif

static_assert(std::is_trivially_copyable<towbar_trace_state>::value, "a value");
static_assert(sizeof(towbar_trace_state) == 128, "its size is part of the ABI");

#define A "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
#define B "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"

static int first_wrong;

#define CHECK(what)                                                                                \
    do {                                                                                           \
        if (!(what) && first_wrong == 0) {                                                         \
            first_wrong = __LINE__;                                                                \
            fprintf(stderr, "%d: %s\n", __LINE__, #what);                                          \
        }                                                                                          \
    } while (0)

static bool is_active(const char *header)
{
    char id[33];
    if (towbar_trace_ids(id, nullptr) != 0)
        return header == nullptr;
    return header != nullptr && strncmp(header + 3, id, 32) == 0;
}

static std::function<void()> job_of(const char *header)
{
    TOWBAR_TRACE(header);
    return [header, state = towbar_trace_capture()] {
        CHECK(is_active(nullptr));
        {
            TOWBAR_TRACE_ADOPT(&state);
            CHECK(is_active(header));
        }
        CHECK(is_active(nullptr));
    };
}

static void lambdas()
{
    std::vector<std::function<void()>> jobs = {job_of(A), job_of(B), job_of(nullptr), job_of(A)};
    CHECK(is_active(nullptr));
    std::thread([&jobs] {
        for (auto &job : jobs)
            job();
    }).join();
}

static void throws_below(const char *header)
{
    TOWBAR_TRACE(header);
    throw 1;
}

static void exceptions()
{
    TOWBAR_TRACE(A);
    try {
        throws_below(B);
    } catch (int) {
    }
    CHECK(is_active(A));
}

#if defined(__cpp_impl_coroutine)

struct task {
    struct promise_type {
        task get_return_object()
        {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_never initial_suspend()
        {
            return {};
        }
        std::suspend_always final_suspend() noexcept
        {
            return {};
        }
        void return_void()
        {
        }
        void unhandled_exception()
        {
        }
    };
    std::coroutine_handle<promise_type> handle;
};

/* A block of its own for what runs between two suspensions. */
static task serve(const char *header)
{
    towbar_trace_state before = towbar_trace_push(header);
    const towbar_trace_state mine = towbar_trace_capture();
    towbar_trace_pop(&before);
    for (int step = 0; step < 3; step++) {
        {
            TOWBAR_TRACE_ADOPT(&mine);
            CHECK(is_active(header));
        }
        CHECK(is_active(nullptr));
        co_await std::suspend_always{};
    }
}

static void coroutines()
{
    task a = serve(A);
    task b = serve(B);
    while (!a.handle.done() || !b.handle.done())
        std::thread([&] {
            a.handle.resume();
            b.handle.resume();
        }).join();
    a.handle.destroy();
    b.handle.destroy();
}

#else

static void coroutines()
{
}

#endif

int main()
{
    lambdas();
    exceptions();
    coroutines();
    CHECK(is_active(nullptr));
    return first_wrong > 255 ? 255 : first_wrong;
}
