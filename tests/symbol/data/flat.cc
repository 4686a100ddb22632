// flat.cc - what an index must tell of C++: names by origin and specification, lambdas, templates.
#include <algorithm>
#include <vector>

namespace flat
{
static volatile int sink;

struct Shape {
    virtual ~Shape() = default;
    virtual int area() const = 0;
    static int count(int n);
    int twice(int n) const
    {
        return area() * n;
    }
};

struct Square : Shape {
    explicit Square(int n) : side(n)
    {
    }
    int area() const override;
    int side;
};

int Shape::count(int n)
{
    sink = sink + n;
    return sink;
}

int Square::area() const
{
    return side * side + count(side);
}

template <typename T> __attribute__((noinline)) T sum(const std::vector<T> &values)
{
    T all{};
    std::for_each(values.begin(), values.end(), [&all](T value) {
        sink = sink + static_cast<int>(value);
        all += value;
    });
    return all;
}

namespace
{
__attribute__((noinline)) int hidden(int n)
{
    struct Local {
        static __attribute__((noinline)) int inside(int k)
        {
            sink = k;
            return k + 1;
        }
    };
    try {
        if (n > 100)
            throw n;
    } catch (int thrown) {
        return thrown;
    }
    return Local::inside(n);
}
} // namespace
} // namespace flat

int main(int argc, char **)
{
    std::vector<int> values(static_cast<std::size_t>(argc) + 5, 3);
    std::vector<long> others(4, 4);
    std::sort(values.begin(), values.end(), [](int a, int b) { return a > b; });
    flat::Square square(argc);
    const flat::Shape &shape = square;
    return shape.twice(3) + flat::sum(values) + static_cast<int>(flat::sum(others)) +
                   flat::hidden(argc) ==
           0;
}
