// inlined.cc - code of the C++ library that is inlined into a program's own.
#include <algorithm>
#include <vector>

#include "probe.h"

struct Probing {
    int n;
    bool operator<(const Probing &other) const
    {
        probe(); // mark: compare
        return n < other.n;
    }
};

__attribute__((noinline)) bool lowest(std::vector<Probing> &all)
{
    return std::min_element(all.begin(), all.end()) == all.begin(); // mark: lowest
}

int main()
{
    std::vector<Probing> all{{1}, {2}};
    return lowest(all) ? 0 : 1; // mark: main
}
