/* thrower.cc - what only C++ can do, in a library for torture.c to load. */
#include <cstdlib>
#include <exception>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#define DEED extern "C" __attribute__((visibility("default"), noinline)) void

static volatile int thrower_sink;

namespace thrower
{
struct Part {
    virtual ~Part() = default;
    int number = 0;
};
/* The class that has the text is not the first one. */
struct Broken : Part, std::runtime_error {
    explicit Broken(const char *what) : std::runtime_error(std::string(what) + " is broken")
    {
    }
};
} // namespace thrower

DEED throw_uncaught()
{
    throw std::runtime_error("the text of the exception");
}

DEED throw_number()
{
    throw 42;
}

DEED throw_text()
{
    throw "a text and no object";
}

DEED throw_own_type()
{
    throw thrower::Broken("the pump");
}

DEED throw_nested()
{
    try {
        throw_uncaught();
    } catch (const std::exception &) {
        std::throw_with_nested(std::logic_error("around another"));
    }
}

DEED throw_again()
{
    try {
        throw_uncaught();
    } catch (const std::exception &) {
        throw;
    }
}

DEED throw_pointer()
{
    std::exception_ptr kept;
    try {
        throw_uncaught();
    } catch (const std::exception &) {
        kept = std::current_exception();
    }
    std::rethrow_exception(kept);
}

/* The handler of the program, as daemons have one that logs. */
DEED throw_with_handler()
{
    std::set_terminate([]() { std::abort(); });
    throw_uncaught();
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
struct Trap {
    ~Trap()
    {
        throw_number();
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

/* The first exception has somebody who would catch it: so its way there is gone. */
DEED throw_on_the_way()
{
    try {
        thrower::Trap trap;
        throw_uncaught();
    } catch (const std::exception &) {
        thrower_sink = thrower_sink + 1;
    }
}

DEED terminate_afterwards()
{
    try {
        throw_uncaught();
    } catch (const std::exception &) {
        thrower_sink = thrower_sink + 1;
    }
    std::terminate();
}

DEED abort_in_catch()
{
    try {
        throw_uncaught();
    } catch (const std::exception &) {
        std::abort();
    }
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
