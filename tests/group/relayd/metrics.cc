// metrics.cc - the part in C++: exceptions, virtual calls, templates, lambdas, hidden names.
#include "relayd.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace relay
{

class Sink
{
  public:
    virtual ~Sink() = default;
    virtual int write(long value) = 0;
};

class CountingSink : public Sink
{
  public:
    explicit CountingSink(session *of) : session_(of)
    {
    }
    int write(long value) override
    {
        session_->bytes += value;
        return 1;
    }

  private:
    session *session_;
};

class Registry
{
  public:
    void add(const std::string &name, long value)
    {
        values_[name].push_back(value);
    }
    long last(const std::string &name, size_t at) const
    {
        return values_.at(name).at(at);
    }
    int publish(Sink *sink) const
    {
        int n = 0;
        for (const auto &pair : values_)
            n += sink->write(pair.second.front());
        return n;
    }

  private:
    std::map<std::string, std::vector<long>> values_;
};

template <typename T> class Gauge
{
  public:
    void set(T value)
    {
        if (value < T())
            throw std::invalid_argument("a gauge is below zero: " + std::to_string(value));
        value_ = value;
    }
    T share(const session *of) const
    {
        return value_ / static_cast<T>(of->n_streams) + of->peer->id;
    }

  private:
    T value_ = T();
};

struct Overload : std::exception {
    const char *what() const noexcept override
    {
        return "too much";
    }
};

} // namespace relay

namespace
{

using relay::CountingSink;
using relay::Gauge;
using relay::Registry;

long parse_level(const char *text)
{
    return std::stol(text);
}

void read_level()
{
    std::exit(static_cast<int>(parse_level(setting("name"))));
}

void read_missing_metric()
{
    Registry registry;
    registry.add("rate", run_number);
    std::exit(static_cast<int>(registry.last("rate", 5 + static_cast<size_t>(run_number))));
}

void read_unknown_metric()
{
    Registry registry;
    std::exit(static_cast<int>(registry.last("unknown", 0)));
}

void publish_nowhere()
{
    Registry registry;
    registry.add("rate", 1);
    std::exit(registry.publish(nullptr));
}

void publish_to_nobody()
{
    Registry registry;
    CountingSink sink(session_find(4711));
    registry.add("rate", 1);
    std::exit(registry.publish(&sink));
}

void set_gauge()
{
    Gauge<long> gauge;
    gauge.set(-1 - run_number);
}

void share_gauge()
{
    Gauge<double> gauge;
    gauge.set(2.5);
    std::exit(static_cast<int>(gauge.share(session_open(51))));
}

int weight(const session *of)
{
    return of->user->credit * 3;
}

void sort_by_weight()
{
    std::vector<session *> all = {session_open(1), session_open(2), session_open(3)};
    std::sort(all.begin(), all.end(),
              [](const session *a, const session *b) { return weight(a) < weight(b); });
    std::exit(all[0]->id);
}

void run_lambda()
{
    std::vector<std::function<int(int)>> steps;
    session *none = session_find(4711);
    steps.push_back([none](int n) { return none->n_streams + n; });
    for (const auto &next : steps)
        std::exit(next(run_number));
}

void call_empty()
{
    std::function<int(int)> step;
    std::exit(step(1));
}

void leave_thread()
{
    std::thread thread([] {});
    if (setting_number("port") == 0)
        thread.join();
    served++;
}

void admit(int n)
{
    if (n > 100)
        throw relay::Overload();
}

void admit_many()
{
    admit(setting_number("port"));
}

class Cleaner
{
  public:
    explicit Cleaner(session *of) : session_(of)
    {
    }
    ~Cleaner()
    {
        session_->peer->n_streams--;
    }

  private:
    session *session_;
};

void clean_up()
{
    std::unique_ptr<Cleaner> cleaner(new Cleaner(session_open(52)));
    cleaner.reset();
    served++;
}

} // namespace

const fault metrics_faults[] = {{"cxx-level", nullptr, read_level},
                                {"cxx-at", nullptr, read_missing_metric},
                                {"cxx-unknown", nullptr, read_unknown_metric},
                                {"cxx-virtual-null", nullptr, publish_nowhere},
                                {"cxx-virtual-body", nullptr, publish_to_nobody},
                                {"cxx-gauge-set", nullptr, set_gauge},
                                {"cxx-gauge-share", nullptr, share_gauge},
                                {"cxx-sort", nullptr, sort_by_weight},
                                {"cxx-lambda", nullptr, run_lambda},
                                {"cxx-empty", nullptr, call_empty},
                                {"cxx-thread", nullptr, leave_thread},
                                {"cxx-own", nullptr, admit_many},
                                {"cxx-destructor", nullptr, clean_up},
                                {nullptr, nullptr, nullptr}};
