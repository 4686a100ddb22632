// shapes.cc - names of C++.
#include "probe.h"

namespace shapes
{
template <typename T> struct Box {
    T value;
    __attribute__((noinline)) int open(int times)
    {
        probe(); // mark: open
        return times + static_cast<int>(value);
    }
};

namespace
{
__attribute__((noinline)) int hidden(int n)
{
    Box<long> box{n};
    return box.open(n) + 1; // mark: hidden
}
} // namespace
} // namespace shapes

int main()
{
    return shapes::hidden(1) == 0; // mark: main
}
