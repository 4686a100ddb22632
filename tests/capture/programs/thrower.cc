// thrower.cc - a C++ plugin: throws and catches; says 42 when that worked.
#include <stdexcept>

extern "C" int thrower_run();

__attribute__((noinline)) static void fail(int depth)
{
    if (depth == 0)
        throw std::runtime_error("thrown");
    fail(depth - 1);
}

int thrower_run()
{
    try {
        fail(5);
    } catch (const std::runtime_error &) {
        return 42;
    }
    return 0;
}
