/* inflight.c - see inflight.h. */
#include "spool/inflight.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/fd.h"
#include "base/pack.h"

#define NAME "inflight"
enum {
    ENTRY_BYTES = 32,
    FILE_BYTES = (1 + TB_SUSPECTS_MAX) * ENTRY_BYTES, /* entry 0 is the one in flight */
    STATE_FREE = 0,
    STATE_IN_FLIGHT = 1,
    STATE_SUSPECT = 2,
};

static void pack(uint8_t out[ENTRY_BYTES], int state, const struct tb_suspect *suspect)
{
    memset(out, 0, ENTRY_BYTES);
    if (state == STATE_FREE)
        return;
    tb_put32(out + 4, suspect->off8);
    tb_put64(out + 8, suspect->file_id);
    out[16] = (uint8_t)state;
    out[17] = suspect->deaths;
    tb_put64(out + 24, suspect->time_ns);
    tb_put32(out, tb_crc32c(0, out + 4, ENTRY_BYTES - 4));
}

static bool unpack(const uint8_t in[ENTRY_BYTES], int state, struct tb_suspect *out)
{
    if (in[16] != state || tb_get32(in) != tb_crc32c(0, in + 4, ENTRY_BYTES - 4))
        return false;
    *out = (struct tb_suspect){.off8 = tb_get32(in + 4),
                               .file_id = tb_get64(in + 8),
                               .deaths = in[17],
                               .time_ns = tb_get64(in + 24)};
    return true;
}

/* A place for another one: a free one, or that of the least suspicious. */
static struct tb_suspect *make_room(struct tb_inflight *inflight)
{
    struct tb_suspect *worst = &inflight->suspects[0];
    for (size_t i = 0; i < TB_SUSPECTS_MAX; i++) {
        struct tb_suspect *at = &inflight->suspects[i];
        if (at->deaths < worst->deaths ||
            (at->deaths == worst->deaths && at->time_ns < worst->time_ns))
            worst = at;
    }
    return worst;
}

static void accuse(struct tb_inflight *inflight, const struct tb_suspect *last)
{
    struct tb_suspect *at = tb_inflight_find(inflight, last->file_id, last->off8);
    uint8_t deaths = at && at->deaths > last->deaths ? at->deaths : last->deaths;
    if (!at)
        at = make_room(inflight);
    inflight->n += at->deaths == 0;
    *at = *last;
    at->deaths = deaths < UINT8_MAX ? (uint8_t)(deaths + 1) : deaths;
    at->time_ns = tb_clock_wall_ns();
}

static void load(struct tb_inflight *inflight, const uint8_t *bytes, size_t len)
{
    struct tb_suspect last;
    for (size_t i = 0; i < TB_SUSPECTS_MAX && (i + 2) * ENTRY_BYTES <= len; i++) {
        struct tb_suspect *at = &inflight->suspects[i];
        if (unpack(bytes + (i + 1) * ENTRY_BYTES, STATE_SUSPECT, at) && at->deaths > 0)
            inflight->n++;
    }
    if (len >= ENTRY_BYTES && unpack(bytes, STATE_IN_FLIGHT, &last))
        accuse(inflight, &last);
}

void tb_inflight_open(struct tb_inflight *inflight, int dirfd)
{
    uint8_t bytes[FILE_BYTES] = {0};
    memset(inflight, 0, sizeof(*inflight));
    inflight->fd = openat(dirfd, NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (inflight->fd < 0)
        return;
    ssize_t n = tb_fd_pread_all(inflight->fd, bytes, sizeof(bytes), 0);
    load(inflight, bytes, n > 0 ? (size_t)n : 0);
    pack(bytes, STATE_FREE, NULL);
    for (size_t i = 0; i < TB_SUSPECTS_MAX; i++) {
        const struct tb_suspect *at = &inflight->suspects[i];
        pack(bytes + (i + 1) * ENTRY_BYTES, at->deaths > 0 ? STATE_SUSPECT : STATE_FREE, at);
    }
    /* Whole, so that its blocks are there on a full disk later. */
    if (tb_fd_pwrite_all(inflight->fd, bytes, sizeof(bytes), 0) < 0)
        tb_fd_close(&inflight->fd);
}

void tb_inflight_close(struct tb_inflight *inflight)
{
    tb_fd_close(&inflight->fd);
}

/* Best effort, see promise 2. */
static void write_entry(struct tb_inflight *inflight, size_t at, int state,
                        const struct tb_suspect *suspect)
{
    uint8_t bytes[ENTRY_BYTES];
    if (inflight->fd < 0)
        return;
    pack(bytes, state, suspect);
    (void)tb_fd_pwrite_all(inflight->fd, bytes, sizeof(bytes), at * ENTRY_BYTES);
}

void tb_inflight_begin(struct tb_inflight *inflight, uint64_t file_id, uint32_t off8)
{
    const struct tb_suspect *known = tb_inflight_find(inflight, file_id, off8);
    struct tb_suspect now = {.file_id = file_id,
                             .off8 = off8,
                             .deaths = known ? known->deaths : 0,
                             .time_ns = tb_clock_wall_ns()};
    write_entry(inflight, 0, STATE_IN_FLIGHT, &now);
    inflight->is_begun = true;
}

void tb_inflight_clear(struct tb_inflight *inflight)
{
    if (inflight->is_begun)
        write_entry(inflight, 0, STATE_FREE, NULL);
    inflight->is_begun = false;
}

struct tb_suspect *tb_inflight_find(struct tb_inflight *inflight, uint64_t file_id, uint32_t off8)
{
    for (size_t i = 0; i < TB_SUSPECTS_MAX && inflight->n > 0; i++) {
        struct tb_suspect *at = &inflight->suspects[i];
        if (at->deaths > 0 && at->file_id == file_id && at->off8 == off8)
            return at;
    }
    return NULL;
}

void tb_inflight_forget(struct tb_inflight *inflight, struct tb_suspect *suspect)
{
    *suspect = (struct tb_suspect){0};
    inflight->n--;
    write_entry(inflight, 1 + (size_t)(suspect - inflight->suspects), STATE_FREE, NULL);
}
