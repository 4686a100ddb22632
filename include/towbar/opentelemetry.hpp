/* opentelemetry.hpp - programs with opentelemetry-cpp: the active span is towbar's active trace.
 *
 *     #include <towbar/opentelemetry.hpp>
 *     towbar::follow_opentelemetry();       once, before the first span is made active
 *
 * From then on an error or crash has the IDs of the span that is active in its thread
 * (trace::Scope), without another call. opentelemetry-cpp keeps its context in objects that a
 * signal handler must not touch; this copies the IDs whenever a scope begins or ends.
 *
 * What towbar_trace_extract found (X-Ray's ID, tracestate, when the request began) stays while the
 * spans are of the same trace. Without an active span the trace is what it was before the first.
 *
 * Only the API of opentelemetry-cpp is used, with C++14 as it asks for; link -ltowbar.
 * docs/trace.md says with which it was tried. */
#ifndef TOWBAR_OPENTELEMETRY_HPP
#define TOWBAR_OPENTELEMETRY_HPP

#include <cstdint>
#include <cstring>

#include <opentelemetry/context/runtime_context.h>
#include <opentelemetry/nostd/shared_ptr.h>
#include <opentelemetry/nostd/unique_ptr.h>
#include <opentelemetry/trace/context.h>
#include <opentelemetry/trace/span.h>
#include <opentelemetry/trace/span_context.h>

#include <towbar/towbar.h>

namespace towbar
{

namespace detail
{

/* What the thread had before its first span. */
struct follower {
    bool has_span;
    towbar_trace_state before;
};

inline follower &this_thread() noexcept
{
    static thread_local follower mine = {false, {{0}}};
    return mine;
}

/* Where things are in a state: docs/spool-format.md 8. */
enum : std::size_t {
    trace_id_bytes = 16,
    span_id_at = 16,
    valid_at = 24,
    flags_at = 25,
    sampled_at = 91
};

struct ids {
    std::uint8_t trace_id[16], span_id[8], flags;
};

inline bool is_of(const towbar_trace_state &state, const ids &span) noexcept
{
    return state.image[valid_at] == 1 &&
           std::memcmp(state.image, span.trace_id, trace_id_bytes) == 0;
}

/* All that is known of the trace, below another span. */
inline void move_to(towbar_trace_state state, const ids &span) noexcept
{
    std::memcpy(state.image + span_id_at, span.span_id, sizeof(span.span_id));
    state.image[flags_at] = span.flags & 3;
    state.image[sampled_at] = (span.flags & 1) != 0 ? 2 : 1;
    towbar_trace_adopt(&state);
}

inline char *put_hex(char *at, const std::uint8_t *bytes, std::size_t n) noexcept
{
    for (std::size_t i = 0; i < n; i++) {
        *at++ = "0123456789abcdef"[bytes[i] >> 4];
        *at++ = "0123456789abcdef"[bytes[i] & 15];
    }
    *at = '\0';
    return at;
}

inline void begin(const ids &span) noexcept
{
    char header[56] = "00-";
    char *at = put_hex(header + 3, span.trace_id, sizeof(span.trace_id));
    *at++ = '-';
    at = put_hex(at, span.span_id, sizeof(span.span_id));
    *at++ = '-';
    put_hex(at, &span.flags, 1);
    towbar_trace_push(header);
}

} /* namespace detail */

/* Makes the context's span the thread's trace. */
inline void follow(const opentelemetry::context::Context &context) noexcept
{
    detail::follower &mine = detail::this_thread();
    const auto span = opentelemetry::trace::GetSpan(context)->GetContext();
    if (!span.IsValid()) {
        if (mine.has_span)
            towbar_trace_pop(&mine.before);
        mine.has_span = false;
        return;
    }
    const towbar_trace_state now = towbar_trace_capture();
    if (!mine.has_span)
        mine.before = now;
    mine.has_span = true;
    detail::ids its;
    std::memcpy(its.trace_id, span.trace_id().Id().data(), sizeof(its.trace_id));
    std::memcpy(its.span_id, span.span_id().Id().data(), sizeof(its.span_id));
    its.flags = span.trace_flags().flags();
    if (detail::is_of(now, its))
        detail::move_to(now, its);
    else if (detail::is_of(mine.before, its))
        detail::move_to(mine.before, its);
    else
        detail::begin(its);
}

/* opentelemetry-cpp's own thread-local storage, followed. */
class context_storage : public opentelemetry::context::RuntimeContextStorage
{
  public:
    opentelemetry::context::Context GetCurrent() noexcept override
    {
        return inner_.GetCurrent();
    }

    opentelemetry::nostd::unique_ptr<opentelemetry::context::Token>
    Attach(const opentelemetry::context::Context &context) noexcept override
    {
        auto token = inner_.Attach(context);
        follow(context);
        return token;
    }

    bool Detach(opentelemetry::context::Token &token) noexcept override
    {
        const bool is_detached = inner_.Detach(token);
        follow(inner_.GetCurrent());
        return is_detached;
    }

  private:
    opentelemetry::context::ThreadLocalContextStorage inner_;
};

/* Programs with a storage of their own call towbar::follow(context) after each change instead. */
inline void follow_opentelemetry()
{
    opentelemetry::context::RuntimeContext::SetRuntimeContextStorage(
        opentelemetry::nostd::shared_ptr<opentelemetry::context::RuntimeContextStorage>(
            new context_storage));
}

} /* namespace towbar */

#endif
