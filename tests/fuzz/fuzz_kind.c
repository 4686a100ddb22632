/* fuzz_kind.c - which bug a stranger's record is of: the first byte says its kind. The same bytes
 * are always of the same kind. */
#include <stdlib.h>

#include "agent/pipeline/kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_kinds kinds;
    if (size == 0)
        return 0;
    const struct tb_spool_record record = {
        .kind = data[0] % TB_N_KINDS, .data = data + 1, .len = size - 1};
    tb_kinds_init(&kinds, NULL);
    if (tb_kind_of(&kinds, &record) != tb_kind_of(&kinds, &record))
        abort();
    tb_kinds_done(&kinds);
    return 0;
}
