/* fuzz_process_record.c - the process record of a stranger: sorted, whole, and the same again after
 * one more packing. */
#include <stdlib.h>
#include <string.h>

#include "record/process.h"

static void check_modules(const struct tb_process *process)
{
    for (size_t i = 0; i < process->n_modules; i++) {
        const struct tb_module *module = &process->modules[i];
        if (module->lo >= module->hi || module->build_id_len > TB_BUILD_ID_BYTES ||
            strlen(module->path) > TB_PATH_MAX_BYTES ||
            (i > 0 && process->modules[i - 1].lo > module->lo))
            abort();
        const struct tb_module *found = tb_process_module(process, module->lo);
        if (found && (found->lo > module->lo || found->hi <= module->lo))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_process process;
    struct tb_process again;
    if (tb_process_unpack(data, size, &process) < 0)
        return 0;
    check_modules(&process);
    size_t cap = size + 64; /* a record never grows: texts may only get shorter */
    uint8_t *memory = malloc(cap);
    if (memory && tb_process_unpack(memory, tb_process_pack(&process, memory, cap), &again) == 0) {
        if (again.n_modules != process.n_modules || strcmp(again.exe, process.exe) != 0)
            abort();
        tb_process_done(&again);
    }
    free(memory);
    tb_process_done(&process);
    return 0;
}
