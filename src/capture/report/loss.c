/* loss.c - see loss.h. */
#include "capture/report/loss.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "capture/lib.h"
#include "spool/hold.h"

enum { DROPCOUNT_BYTES = 128 };

static struct tb_hold hold; /* its memory costs nothing until a disk is full */

static uint64_t count(int class_)
{
    return atomic_load(&tb_lib.n_lost[class_]) + tb_hold_count(&hold, class_);
}

/* The last word is that of the last change: who stored an older one sees it and stores again. */
static void store_count(int class_)
{
    uint64_t n;
    do {
        n = count(class_);
        tb_slot_drops(&tb_lib.slot, class_, n < UINT32_MAX ? (uint32_t)n : UINT32_MAX);
    } while (count(class_) != n);
}

void tb_loss_store(void)
{
    for (int i = 0; i < TB_N_CLASSES; i++) {
        if (count(i) > 0)
            store_count(i);
    }
}

void tb_loss_note(int class_, int err)
{
    atomic_fetch_add(&tb_lib.n_lost[class_], 1);
    atomic_store(&tb_lib.last_error, -err);
    store_count(class_);
}

int tb_loss_take(int class_, const struct tb_append *record, int err)
{
    if (class_ > TB_CLASS_ERROR || !tb_hold_helps(err) || tb_hold_put(&hold, class_, record) < 0) {
        tb_loss_note(class_, err);
        return 0;
    }
    atomic_store(&tb_lib.last_error, -err);
    store_count(class_);
    return 1;
}

void tb_loss_retry(int class_)
{
    unsigned before = tb_hold_count(&hold, class_);
    if (before == 0)
        return;
    (void)tb_hold_write(&hold, &tb_lib.writers[class_]); /* what is left is tried again next time */
    if (tb_hold_count(&hold, class_) != before)
        store_count(class_);
}

void tb_loss_tell(int class_)
{
    uint64_t n = atomic_exchange(&tb_lib.n_lost[class_], 0);
    uint8_t uuid[TB_UUID_BYTES];
    char json[DROPCOUNT_BYTES];
    const char *reason = strerrorname_np(atomic_load(&tb_lib.last_error));
    if (n == 0)
        return;
    int len = snprintf(json, sizeof(json), "{\"class\":%d,\"count\":%llu,\"reason\":\"%s\"}",
                       class_, (unsigned long long)n, reason ? reason : "unknown");
    tb_id_uuid(uuid);
    struct tb_append record = {.kind = TB_KIND_DROPCOUNT,
                               .uuid = uuid,
                               .time_ns = tb_clock_wall_ns(),
                               .data = json,
                               .len = (size_t)len};
    if (tb_writer_append(&tb_lib.writers[class_], &record) != 0)
        atomic_fetch_add(&tb_lib.n_lost[class_], n);
    store_count(class_);
}

unsigned tb_loss_n_kept(void)
{
    unsigned n = 0;
    for (int i = 0; i < TB_N_CLASSES; i++)
        n += tb_hold_count(&hold, i);
    return n;
}

void tb_loss_end(void)
{
    uint64_t n = 0;
    for (int i = 0; i < TB_N_CLASSES; i++)
        n += count(i);
    if (n > 0)
        tb_lib_check_dir();
    for (int i = 0; i < TB_N_CLASSES; i++) {
        tb_loss_retry(i);
        tb_loss_tell(i);
    }
    tb_hold_forget(&hold); /* what was left in it stays counted in the slot */
}

void tb_loss_forked(void)
{
    for (int i = 0; i < TB_N_CLASSES; i++)
        atomic_store(&tb_lib.n_lost[i], 0);
    tb_hold_forget(&hold);
}
