/* self.h - for the tests of src/symbol: this program itself, and what fork makes of it, as the
 * process of a crash record. After support.h. */
#ifndef TB_TESTS_SYMBOL_SELF_H
#define TB_TESTS_SYMBOL_SELF_H

#include "../unwind/live.h"
#include "symbol/worker.h"

static struct live live;
static struct tb_process process;
static struct tb_module modules[LIVE_MODULES_MAX];
static char names[LIVE_MODULES_MAX][512];
static struct tb_symbol_config config;

static inline int add_module(struct dl_phdr_info *info, size_t size, void *arg)
{
    struct tb_module *m = &modules[process.n_modules];
    char *name = names[process.n_modules];
    (void)size;
    (void)arg;
    if (process.n_modules == LIVE_MODULES_MAX)
        return 0;
    (void)snprintf(name, sizeof(names[0]), "%s", info->dlpi_name);
    if (process.n_modules == 0 && readlink("/proc/self/exe", name, sizeof(names[0]) - 1) < 0)
        return 1;
    const struct live_module *range = &live.modules[process.n_modules];
    *m = (struct tb_module){.lo = range->lo,
                            .hi = range->hi,
                            .bias = info->dlpi_addr,
                            .eh_frame_hdr = range->eh_frame_hdr,
                            .path = name,
                            .flags = process.n_modules == 0 ? TB_MODULE_MAIN : 0};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const char *note = (const char *)(uintptr_t)(info->dlpi_addr + p->p_vaddr);
        const ElfW(Nhdr) *head = (const void *)note;
        if (p->p_type == PT_NOTE && head->n_type == NT_GNU_BUILD_ID && head->n_namesz == 4 &&
            head->n_descsz <= TB_BUILD_ID_BYTES) {
            m->build_id_len = head->n_descsz;
            memcpy(m->build_id, note + sizeof(*head) + 4, head->n_descsz);
        }
    }
    process.n_modules++;
    return 0;
}

static inline cJSON *ask_crash(const struct tb_crash *crash)
{
    static char reply[REPLY_BYTES];
    struct tb_json json;
    tb_json_init(&json, reply, sizeof(reply));
    assert_int_equal(tb_symbol_crash(&config, &process, crash, &json), 0);
    assert_int_equal(tb_json_finish(&json), 0);
    cJSON *answer = cJSON_Parse(reply);
    assert_non_null(answer);
    return answer;
}

static inline int self_init(void)
{
    static const char text[] = "source_root=" TEST_SOURCE "\n";
    if (tb_symbol_config_read(text, strlen(text), &config) != 0)
        return -1;
    live_init(&live);
    process = (struct tb_process){.uid = geteuid(),
                                  .exe = "",
                                  .host = "",
                                  .service = "",
                                  .environment = "",
                                  .version = "",
                                  .root = "",
                                  .modules = modules};
    dl_iterate_phdr(add_module, NULL);
    qsort(modules, process.n_modules, sizeof(modules[0]), by_lo);
    return tb_rows_load();
}

static inline void self_done(void)
{
    tb_symbol_config_done(&config);
}

#endif
