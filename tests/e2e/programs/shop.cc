// shop.cc - shop WAY crashes in what C++ is made of, by the way that its argument names. For
// tests/e2e/test_symbols_languages.py, which compares its frames with a debugger's.
#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#define KEEP __attribute__((noinline))

namespace shop
{
static volatile int sink;

template <typename T> struct Item {
    T price;
    const char *name;
    KEEP int read(int at) const
    {
        return sink + name[at];
    }
    bool operator<(const Item &other) const
    {
        return read(0) < other.read(0);
    }
    KEEP explicit operator int() const
    {
        return read(1) + static_cast<int>(price);
    }
};

struct Shape {
    virtual ~Shape() = default;
    virtual int area(const Item<int> &item) const = 0;
};

namespace
{
struct Square final : Shape {
    KEEP int area(const Item<int> &item) const override
    {
        return 2 * item.read(sink);
    }
};

template <typename... Words> KEEP int count(int first, Words... words)
{
    if constexpr (sizeof...(words) > 0)
        return 1 + count(words...);
    return reinterpret_cast<Item<int> *>(sizeof(int) * 4)->read(first);
}

KEEP int throw_it(const Item<long> &item)
{
    try {
        throw std::runtime_error("no price");
    } catch (const std::exception &error) {
        sink += static_cast<int>(std::strlen(error.what()));
        return item.read(0);
    }
}
} // namespace

static const Item<int> good{1, "good"};
static const Item<int> bad{2, reinterpret_cast<const char *>(16)};
static const Item<long> bad_long{3, reinterpret_cast<const char *>(16)};

KEEP static int in_lambda()
{
    auto add = [](const auto &item, int n) KEEP { return item.read(0) + n; };
    int sum = add(good, 1) + add(bad, 2);
    sink += sum;
    return sum;
}

KEEP static int in_virtual()
{
    std::unique_ptr<Shape> shape(new Square);
    int area = shape->area(bad);
    sink += area;
    return area;
}

KEEP static int in_sort()
{
    std::vector<Item<int>> items{good, good, bad, good};
    std::sort(items.begin(), items.end());
    return items[0].price + sink;
}

KEEP static int in_function()
{
    std::function<int(const Item<int> &)> reader = [](const Item<int> &item) {
        return static_cast<int>(item) + 1;
    };
    int read = reader(bad);
    sink += read;
    return read;
}

KEEP static int in_map()
{
    struct Less {
        bool operator()(const char *a, const char *b) const
        {
            return Item<int>{1, a} < Item<int>{2, b};
        }
    };
    std::map<const char *, int, Less> map{{"a", 1}};
    map[bad.name] = 2;
    return static_cast<int>(map.size()) + sink;
}

KEEP static int in_library()
{
    // The copy is made by the C++ runtime, or in place.
    std::string text(good.name);
    text.append(bad.name, 100000);
    return static_cast<int>(text.size()) + sink;
}

KEEP static int in_template()
{
    int n = count(0, 1, 2) + sink;
    sink += n;
    return n;
}

KEEP static int in_catch()
{
    int n = throw_it(bad_long) + sink;
    sink += n;
    return n;
}

static int run(const std::string &way)
{
    const std::map<std::string, int (*)()> ways = {
        {"lambda", in_lambda},     {"virtual", in_virtual},   {"sort", in_sort},
        {"map", in_map},           {"catch", in_catch},       {"library", in_library},
        {"function", in_function}, {"template", in_template},
    };
    return ways.at(way)() + sink;
}
} // namespace shop

int main(int argc, char **argv)
{
    return argc < 2 ? 2 : shop::run(argv[1]) + shop::sink;
}
