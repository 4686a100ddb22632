/* thrower.cc - what only C++ can do, in a library for torture.c to load. */
#include <exception>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#define DEED extern "C" __attribute__((visibility("default"), noinline)) void

static volatile int thrower_sink;

DEED throw_uncaught()
{
    throw std::runtime_error("the text of the exception");
}

DEED throw_through_noexcept()
{
    auto wall = []() noexcept { throw_uncaught(); };
    wall();
    thrower_sink = thrower_sink + 1;
}

DEED call_terminate()
{
    std::terminate();
}

/* With a name, or the compiler would know every class that there is. */
namespace thrower
{
struct Base {
    Base()
    {
        call();
    }
    virtual ~Base() = default;
    __attribute__((noinline)) void call()
    {
        Base *volatile self = this;
        self->pure();
        thrower_sink = thrower_sink + 1;
    }
    virtual void pure() = 0;
};
struct Derived : Base {
    void pure() override
    {
        thrower_sink = thrower_sink + 2;
    }
};
struct Bomb {
    ~Bomb() noexcept(false)
    {
        throw std::runtime_error("in a destructor");
    }
};
} // namespace thrower

DEED call_pure_virtual()
{
    thrower::Derived derived;
    thrower_sink = thrower_sink + 1;
}

DEED throw_while_unwinding()
{
    thrower::Bomb bomb;
    throw_uncaught();
}

DEED run_out_of_memory()
{
    volatile std::size_t bytes = static_cast<std::size_t>(1) << 62;
    char *memory = new char[bytes];
    *const_cast<volatile char *>(memory) = 1;
}

DEED index_out_of_range()
{
    std::vector<int> numbers(3);
    volatile std::size_t place = 5;
    thrower_sink = numbers.at(place);
}

DEED throw_in_thread()
{
    std::thread thread(throw_uncaught);
    thread.join();
}

__attribute__((noinline)) static void overflow_in_cxx()
{
    volatile char room[512];
    room[0] = static_cast<char>(thrower_sink);
    overflow_in_cxx();
    thrower_sink = thrower_sink + room[0];
}

DEED overflow_std_thread()
{
    std::thread thread(overflow_in_cxx);
    thread.join();
}

DEED catch_and_go_on()
{
    try {
        throw_uncaught();
    } catch (const std::exception &) {
        thrower_sink = thrower_sink + 1;
    }
}

DEED crash_in_catch()
{
    try {
        throw_uncaught();
    } catch (const std::exception &) {
        int *volatile nothing = nullptr;
        *const_cast<volatile int *>(static_cast<int *>(nothing)) = 1;
    }
}
