/* native_threads.c - see native.h: what is said of the threads that did not crash. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/meaning/signals.h"
#include "agent/native/native.h"
#include "agent/native/native_common.h"

enum { NOTE_BYTES = 256, ERRNO_MAX = 4095, FRAME_BYTES = 8192, THREAD_BYTES = 256 };

/* ---- without the symbolizer ---- */

static uint64_t place_of(const struct tb_crash *crash, size_t i)
{
    return crash->threads[i].regs[TB_RIP];
}

static size_t first_there(const struct tb_crash *crash, size_t i)
{
    size_t first = 0;
    while (place_of(crash, first) != place_of(crash, i))
        first++;
    return first;
}

/* One group: all threads from number first on that are at its place. */
static void write_group(struct tb_json *j, const struct tb_crash *crash,
                        const struct tb_native_context *context, size_t first)
{
    uint64_t place = place_of(crash, first);
    tb_json_object(j);
    tb_json_key(j, "tids");
    tb_json_array(j);
    for (size_t i = first; i < crash->n_threads; i++)
        if (place_of(crash, i) == place)
            tb_json_int(j, crash->threads[i].tid);
    tb_json_end(j);
    tb_json_key(j, "names");
    tb_json_array(j);
    for (size_t i = first; i < crash->n_threads; i++)
        if (place_of(crash, i) == place)
            tb_json_str(j, crash->threads[i].name);
    tb_json_end(j);
    tb_json_key(j, "frames");
    tb_json_array(j);
    tb_native_bare_frame(j, context, place, place, "context");
    tb_json_end(j);
    tb_json_kbool(j, "cut", true);
    tb_json_end(j);
}

static size_t count_at(const struct tb_crash *crash, size_t first)
{
    size_t n = 0;
    for (size_t i = first; i < crash->n_threads; i++)
        n += place_of(crash, i) == place_of(crash, first);
    return n;
}

int tb_native_threads_make(const struct tb_crash *crash, const struct tb_native_context *context,
                           struct tb_native_frames *frames)
{
    struct tb_buf *out = &frames->threads;
    size_t cap = FRAME_BYTES + THREAD_BYTES * crash->n_threads;
    if (crash->n_threads == 0)
        return 0;
    char *mem = malloc(cap);
    if (mem == NULL)
        return -ENOMEM;
    tb_buf_reset(out);
    frames->threads_omitted = 0;
    tb_buf_adds(out, "[");
    for (size_t i = 0; i < crash->n_threads; i++) {
        struct tb_json j;
        if (first_there(crash, i) < i)
            continue;
        tb_json_init(&j, mem, cap);
        write_group(&j, crash, context, i);
        if (tb_json_finish(&j) != 0 || out->len + j.len > TB_NATIVE_THREADS_BYTES) {
            frames->threads_omitted += count_at(crash, i);
            continue;
        }
        tb_buf_adds(out, out->len > 1 ? "," : "");
        tb_buf_add(out, mem, j.len);
    }
    tb_buf_adds(out, "]");
    free(mem);
    return out->err;
}

/* ---- what is said of them ---- */

/* "3 of 51 other threads were captured: EPERM (Operation not permitted)"; "" when all were. */
static void write_note(const struct tb_crash *crash, uint32_t there, char out[NOTE_BYTES])
{
    int err = crash->about_threads.err;
    const char *name = err < 0 && err >= -ERRNO_MAX ? strerrorname_np(-err) : NULL;
    const char *means = name != NULL ? strerrordesc_np(-err) : NULL;
    out[0] = '\0';
    if (crash->n_threads == there && err == 0)
        return;
    if (err == -ECANCELED && crash->n_threads == 0) {
        snprintf(out, NOTE_BYTES, "%s",
                 "not looked at: a handler of the program decided whether it dies");
        return;
    }
    int len = snprintf(out, NOTE_BYTES, "%zu of %" PRIu32 " other threads were captured",
                       crash->n_threads, there);
    if (err == -E2BIG)
        snprintf(out + len, (size_t)(NOTE_BYTES - len), ": the cap of %d threads",
                 TB_CRASH_THREADS_MAX);
    else if (name != NULL)
        snprintf(out + len, (size_t)(NOTE_BYTES - len), ": %s (%s)", name,
                 means != NULL ? means : "unknown");
    else if (err != 0)
        snprintf(out + len, (size_t)(NOTE_BYTES - len), ": error %d", err);
}

void tb_native_threads_write(struct tb_json *j, const struct tb_crash *crash,
                             const struct tb_native_frames *frames)
{
    char note[NOTE_BYTES];
    char number[24];
    const struct tb_crash_threads *about = &crash->about_threads;
    /* Without the chunk about them, or against it: those that are here were there. */
    uint32_t there =
        about->n_there > crash->n_threads ? about->n_there : (uint32_t)crash->n_threads;
    if (there == 0 && about->err == 0)
        return;
    if (crash->n_threads > 0 && frames->threads.len > 0) {
        tb_json_key(j, "threads");
        tb_json_raw(j, tb_buf_str(&frames->threads), frames->threads.len);
    }
    if (frames->threads_omitted > 0)
        tb_json_kint(j, "threads_omitted", (int64_t)frames->threads_omitted);
    tb_json_kint(j, "threads_there", there);
    tb_json_kint(j, "threads_captured", (int64_t)crash->n_threads);
    write_note(crash, there, note);
    tb_json_kopt(j, "threads_note", note);
    if (about->stopped_ns > 0) {
        snprintf(number, sizeof(number), "%" PRIu64, about->stopped_ns);
        tb_json_kstr(j, "threads_stopped_ns", number);
    }
}
