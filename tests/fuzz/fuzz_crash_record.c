/* fuzz_crash_record.c - the crash record of a stranger: every byte that is shown can be read. */
#include <stdlib.h>
#include <string.h>

#include "record/crash.h"

static volatile uint8_t sink;

static void touch(const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        sink ^= bytes[i];
}

static void check_trace(const struct tb_trace_context *context)
{
    if (strlen(context->state) >= TB_TRACESTATE_TEXT || context->n_others > TB_TRACE_OTHERS ||
        strlen(context->xray_more) >= TB_XRAY_MORE_TEXT)
        abort();
    touch(context->lineage.text, context->lineage.len);
    touch(context->dataset.text, context->dataset.len);
    touch(context->honeycomb_context.text, context->honeycomb_context.len);
    touch(context->datadog_origin.text, context->datadog_origin.len);
    for (size_t i = 0; i < context->n_others; i++)
        touch(context->other[i].text, context->other[i].len);
}

static void check_facts(const struct tb_crash *crash)
{
    if (crash->n_unloaded > TB_CRASH_UNLOADED_MAX || crash->n_mappings > TB_CRASH_MAPPINGS_MAX ||
        crash->exception_what_len > TB_CRASH_WHAT_MAX ||
        (crash->exception_type && crash->exception_type[0] == '\0') ||
        (crash->exception_what_len > 0) != (crash->exception_what != NULL) ||
        (crash->exception_what && !crash->exception_type))
        abort();
    if (crash->exception_type)
        touch(crash->exception_type, strlen(crash->exception_type));
    touch(crash->exception_what, crash->exception_what_len);
    for (size_t i = 0; i < crash->n_unloaded; i++) {
        touch(crash->unloaded[i].path, crash->unloaded[i].len);
        if (crash->unloaded[i].lo >= crash->unloaded[i].hi || crash->unloaded[i].len == 0)
            abort();
    }
    for (size_t i = 0; i < crash->n_mappings; i++) {
        touch(crash->mappings[i].path, crash->mappings[i].len);
        if (crash->mappings[i].lo >= crash->mappings[i].hi ||
            (i > 0 && crash->mappings[i - 1].lo > crash->mappings[i].lo))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_crash crash;
    uint8_t fixed[TB_CRASH_FIXED_BYTES];
    if (tb_crash_unpack(data, size, &crash) < 0)
        return 0;
    if (crash.n_frames > TB_CRASH_FRAMES_MAX || crash.n_notes > TB_CRASH_NOTES_MAX ||
        (crash.scope_len > 0 && crash.scope[crash.scope_len - 1] != '\0'))
        abort();
    touch(crash.abort_text, crash.abort_len);
    touch(crash.scope, crash.scope_len);
    touch(crash.code, crash.code_len);
    touch(crash.stack, crash.stack_len);
    for (size_t i = 0; i < crash.n_notes; i++) {
        touch(crash.notes[i].text, crash.notes[i].len);
        if (i > 0 && crash.notes[i - 1].wall_ns > crash.notes[i].wall_ns)
            abort();
    }
    for (size_t i = 0; i < crash.n_frames; i++) {
        if (crash.frames[i].trust > 3)
            abort();
    }
    if (crash.n_threads > TB_CRASH_THREADS_MAX || crash.n_outer > TB_CRASH_OUTER_MAX ||
        crash.depth > UINT32_MAX)
        abort();
    for (size_t i = 0; i < crash.n_threads; i++) {
        touch(crash.threads[i].name, strlen(crash.threads[i].name));
        touch(crash.threads[i].stack, crash.threads[i].stack_len);
    }
    check_facts(&crash);
    check_trace(&crash.context);
    tb_crash_fixed_pack(&crash.fixed, fixed);
    touch(crash.fixed.thread_name, strlen(crash.fixed.thread_name));
    tb_crash_done(&crash);
    return 0;
}
