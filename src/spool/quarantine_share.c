/* quarantine_share.c - see quarantine_share.h. */
#include "spool/quarantine_share.h"

struct sum {
    uint64_t bytes;
    size_t n_files;
};

static struct sum sum_of(const struct tb_quarantined *things, size_t n, bool all, uint32_t uid)
{
    struct sum sum = {0};
    for (size_t i = 0; i < n; i++) {
        if (things[i].n_files == 0 || (!all && things[i].uid != uid))
            continue;
        sum.bytes += things[i].bytes;
        sum.n_files += things[i].n_files;
    }
    return sum;
}

bool tb_quarantine_is_over(const struct tb_quarantined *things, size_t n, uint64_t max_bytes,
                           size_t max_files)
{
    struct sum all = sum_of(things, n, true, 0);
    return all.bytes > max_bytes || all.n_files > max_files;
}

/* Is the same user's an older one there too? */
static bool has_older(const struct tb_quarantined *things, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (things[k].n_files > 0 && things[k].uid == things[i].uid)
            return true;
    return false;
}

size_t tb_quarantine_next(const struct tb_quarantined *things, size_t n, uint64_t max_bytes,
                          size_t max_files)
{
    struct sum all = sum_of(things, n, true, 0);
    struct sum most = {0};
    size_t found = n;
    bool is_by_bytes = all.bytes > max_bytes;
    if (!is_by_bytes && all.n_files <= max_files)
        return n;
    for (size_t i = 0; i < n; i++) {
        if (things[i].n_files == 0 || (i == n - 1 && found < n) || has_older(things, i))
            continue;
        struct sum sum = sum_of(things, n, false, things[i].uid);
        bool is_more = is_by_bytes ? sum.bytes > most.bytes : sum.n_files > most.n_files;
        if (found < n && !is_more)
            continue;
        most = sum;
        found = i;
    }
    return found;
}
