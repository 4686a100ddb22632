/* stand_in.h - as much of opentelemetry-cpp's API as towbar/opentelemetry.hpp asks for, by its
 * documented names, for machines without it. Contexts hold a span and nothing else. */
#ifndef TEST_OPENTELEMETRY_STAND_IN_H
#define TEST_OPENTELEMETRY_STAND_IN_H

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace opentelemetry
{

namespace nostd
{
template <class T> using shared_ptr = std::shared_ptr<T>;
template <class T> using unique_ptr = std::unique_ptr<T>;

template <class T, std::size_t N> class span
{
  public:
    span(T (&array)[N]) noexcept : data_(array)
    {
    }
    T *data() const noexcept
    {
        return data_;
    }

  private:
    T *data_;
};
} /* namespace nostd */

namespace trace
{
template <std::size_t N> class Id_
{
  public:
    Id_() noexcept = default;
    explicit Id_(nostd::span<const uint8_t, N> id) noexcept
    {
        std::memcpy(bytes_, id.data(), N);
    }
    nostd::span<const uint8_t, N> Id() const noexcept
    {
        return nostd::span<const uint8_t, N>(bytes_);
    }
    bool IsValid() const noexcept
    {
        static const uint8_t none[N] = {};
        return std::memcmp(bytes_, none, N) != 0;
    }

  private:
    uint8_t bytes_[N]{};
};
using TraceId = Id_<16>;
using SpanId = Id_<8>;

class TraceFlags
{
  public:
    explicit TraceFlags(uint8_t flags) noexcept : flags_(flags)
    {
    }
    uint8_t flags() const noexcept
    {
        return flags_;
    }

  private:
    uint8_t flags_;
};

class SpanContext
{
  public:
    SpanContext(TraceId trace_id, SpanId span_id, TraceFlags flags, bool) noexcept
        : trace_id_(trace_id), span_id_(span_id), flags_(flags)
    {
    }
    bool IsValid() const noexcept
    {
        return trace_id_.IsValid() && span_id_.IsValid();
    }
    const TraceId &trace_id() const noexcept
    {
        return trace_id_;
    }
    const SpanId &span_id() const noexcept
    {
        return span_id_;
    }
    const TraceFlags &trace_flags() const noexcept
    {
        return flags_;
    }
    static SpanContext GetInvalid() noexcept
    {
        return SpanContext(TraceId(), SpanId(), TraceFlags(0), false);
    }

  private:
    TraceId trace_id_;
    SpanId span_id_;
    TraceFlags flags_;
};

class Span
{
  public:
    virtual ~Span() = default;
    virtual SpanContext GetContext() const noexcept = 0;
};

class DefaultSpan : public Span
{
  public:
    explicit DefaultSpan(SpanContext context) noexcept : context_(context)
    {
    }
    SpanContext GetContext() const noexcept override
    {
        return context_;
    }

  private:
    SpanContext context_;
};
} /* namespace trace */

namespace context
{
class Context
{
  public:
    Context() = default;
    explicit Context(nostd::shared_ptr<trace::Span> span) : span(span)
    {
    }
    bool operator==(const Context &other) const noexcept
    {
        return span == other.span;
    }
    nostd::shared_ptr<trace::Span> span;
};

class Token
{
  public:
    ~Token() noexcept;
    bool operator==(const Context &other) const noexcept
    {
        return context_ == other;
    }

  private:
    friend class RuntimeContextStorage;
    explicit Token(const Context &context) : context_(context)
    {
    }
    const Context context_;
};

class RuntimeContextStorage
{
  public:
    virtual ~RuntimeContextStorage() = default;
    virtual Context GetCurrent() noexcept = 0;
    virtual nostd::unique_ptr<Token> Attach(const Context &context) noexcept = 0;
    virtual bool Detach(Token &token) noexcept = 0;

  protected:
    nostd::unique_ptr<Token> CreateToken(const Context &context) noexcept
    {
        return nostd::unique_ptr<Token>(new Token(context));
    }
};

class ThreadLocalContextStorage : public RuntimeContextStorage
{
  public:
    Context GetCurrent() noexcept override
    {
        return stack().empty() ? Context() : stack().back();
    }
    nostd::unique_ptr<Token> Attach(const Context &context) noexcept override
    {
        stack().push_back(context);
        return CreateToken(context);
    }
    bool Detach(Token &token) noexcept override
    {
        while (!stack().empty()) {
            const bool is_it = token == stack().back();
            stack().pop_back();
            if (is_it)
                return true;
        }
        return false;
    }

  private:
    static std::vector<Context> &stack()
    {
        static thread_local std::vector<Context> mine;
        return mine;
    }
};

class RuntimeContext
{
  public:
    static nostd::unique_ptr<Token> Attach(const Context &context) noexcept
    {
        return storage()->Attach(context);
    }
    static bool Detach(Token &token) noexcept
    {
        return storage()->Detach(token);
    }
    static void SetRuntimeContextStorage(const nostd::shared_ptr<RuntimeContextStorage> &s) noexcept
    {
        storage() = s;
    }

  private:
    static nostd::shared_ptr<RuntimeContextStorage> &storage()
    {
        static nostd::shared_ptr<RuntimeContextStorage> one(new ThreadLocalContextStorage);
        return one;
    }
};

inline Token::~Token() noexcept
{
    RuntimeContext::Detach(*this);
}
} /* namespace context */

namespace trace
{
inline nostd::shared_ptr<Span> GetSpan(const context::Context &context) noexcept
{
    if (context.span)
        return context.span;
    return nostd::shared_ptr<Span>(new DefaultSpan(SpanContext::GetInvalid()));
}

class Scope
{
  public:
    explicit Scope(const nostd::shared_ptr<Span> &span) noexcept
        : token_(context::RuntimeContext::Attach(context::Context(span)))
    {
    }

  private:
    nostd::unique_ptr<context::Token> token_;
};
} /* namespace trace */

} /* namespace opentelemetry */

#endif
