/* backoff.c - see backoff.h. */
#include "agent/deliver/backoff.h"

#include "base/id.h"

enum { DOUBLINGS_MAX = 20 };

int64_t tb_backoff_ms(unsigned min_ms, unsigned max_ms, unsigned n_attempts)
{
    unsigned n_doublings = n_attempts < DOUBLINGS_MAX ? n_attempts + 1 : DOUBLINGS_MAX;
    uint64_t longest = (uint64_t)min_ms << n_doublings;
    uint64_t random = 0;
    if (longest > max_ms)
        longest = max_ms;
    tb_id_random(&random, sizeof(random));
    return (int64_t)(min_ms + random % (longest - min_ms + 1));
}
