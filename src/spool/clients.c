/* clients.c - which process a file and its records are of, as the file says, and which of them
 * live.
 */
#include <string.h>

#include "spool/slot.h"
#include "spool/state.h"

static bool names_boot(const struct tb_file_header *header)
{
    static const uint8_t unknown[16];
    return memcmp(header->boot_id, unknown, sizeof(unknown)) != 0;
}

bool tb_spool_is_this_boot(const struct tb_spool *spool, const struct tb_file_header *header)
{
    return memcmp(header->boot_id, spool->boot_id, sizeof(header->boot_id)) == 0 &&
           names_boot(header);
}

void tb_spool_sign(const struct tb_spool *spool, const struct tb_source *source,
                   struct tb_spool_record *record)
{
    record->file_id = source->id;
    record->uid = source->uid;
    record->pid = (pid_t)source->header.pid;
    record->start_ticks = source->header.start_ticks;
    record->created_mono_ns = source->header.created_mono_ns;
    record->is_this_boot = tb_spool_is_this_boot(spool, &source->header);
    record->names_boot = names_boot(&source->header);
}

void tb_spool_clients(struct tb_spool *spool,
                      bool (*each)(void *arg, const struct tb_spool_client *client), void *arg)
{
    for (size_t i = 0; i < spool->n_sources; i++) {
        struct tb_source *source = spool->sources[i];
        const struct tb_file_header *header = &source->header;
        if (source->state != TB_SOURCE_READY || !source->is_slot || !source->alive)
            continue;
        if (header->start_ticks == TB_SLOT_SPARE || source->is_dismissed)
            continue;
        /* Who sees no /proc names no boot, and holds a lock in this one. */
        const struct tb_spool_client client = {
            .file_id = source->id,
            .uid = source->uid,
            .pid = (pid_t)header->pid,
            .start_ticks = header->start_ticks,
            .created_mono_ns = header->created_mono_ns,
            .is_this_boot = tb_spool_is_this_boot(spool, header) || !names_boot(header)};
        source->is_dismissed = !each(arg, &client);
    }
}
