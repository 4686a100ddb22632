/* fuzz_symbol.c - what the symbolizer reads of strangers, by the first byte of the input: '0' its
 * configuration, '1' a file name of debug data, '2' a symbol's name, '3' an ELF file, '4' a crash
 * record, '5' MiniDebugInfo as xz packed it, '6' the name in a link to the file that dwz made.
 * libdw is left to the worker's limits: its faults are not ours to find here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/library.h"
#include "symbol/files/alternate.h"
#include "symbol/files/elf.h"
#include "symbol/files/mini.h"
#include "symbol/answer/name.h"
#include "symbol/answer/path.h"
#include "symbol/files/table.h"
#include "symbol/files/unpacked.h"
#include "symbol/files/wounds.h"
#include "symbol/worker.h"

enum { ADDRESSES = 64, REPLY_BYTES = 64 << 10 };

static volatile uint8_t sink;

static void fuzz_config(const char *text, size_t len)
{
    struct tb_symbol_config config;
    if (tb_symbol_config_read(text, len, &config) == 0)
        tb_symbol_config_done(&config);
}

static void fuzz_path(const char *text, size_t len)
{
    char out[128];
    char name[TB_LIBRARY_NAME];
    char *path = strndup(len > 0 ? text : "", len);
    if (!path)
        return;
    bool is_whole = tb_symbol_path_normalise(path, out, sizeof(out));
    if (out[0] == '\0' || (is_whole && out[0] == '/' && !tb_symbol_path_is_plain(out)))
        abort();
    (void)tb_symbol_path_below(out, "/root");
    const char *shown = tb_symbol_path_shown(out);
    size_t out_len = strlen(out);
    if (shown[0] == '\0' || shown < out || shown > out + out_len)
        abort();
    (void)tb_symbol_path_is_told_whole(out, path);
    (void)tb_library_name(path, out, name);
    const struct tb_module module = {.path = path};
    const struct tb_inapp_program program = {.path = "/usr/sbin/x", .root = "/root"};
    (void)tb_inapp_is_own(&program, &(struct tb_inapp_frame){&module, out, path});
    free(path);
}

static void fuzz_name(const char *text, size_t len)
{
    char *name = strndup(len > 0 ? text : "", len);
    char *clean = name ? tb_symbol_name_clean(name) : NULL;
    if (clean && clean[0] == '\0')
        abort();
    free(clean);
    clean = name ? tb_symbol_type_name(name) : NULL;
    free(clean);
    free(name);
}

static void add_names(Elf *elf, struct tb_symbol_table *table)
{
    (void)tb_symbol_table_add(table, elf, SHT_SYMTAB);
    (void)tb_symbol_table_add(table, elf, SHT_DYNSYM);
    tb_symbol_table_sort(table);
}

static void fuzz_mini(const char *data, size_t len)
{
    struct tb_symbol_mini mini;
    struct tb_symbol_table table = {0};
    if (tb_symbol_mini_inflate(data, len, &mini) != 0)
        return;
    if (mini.len > TB_SYMBOL_MINI_BYTES_MAX)
        abort();
    add_names(mini.elf, &table);
    for (size_t i = 0; i < table.n && i < ADDRESSES; i++)
        sink ^= (uint8_t)strlen(table.entries[i].name);
    tb_symbol_table_done(&table);
    tb_symbol_mini_done(&mini);
}

/* Never out of the folder: no part of it is "..". */
static void fuzz_altlink(const char *text, size_t len)
{
    char path[128];
    char *name = strndup(len > 0 ? text : "", len);
    const char *below = name ? tb_symbol_altlink_below(name) : NULL;
    if (below && (size_t)snprintf(path, sizeof(path), "/%s", below) < sizeof(path) &&
        !tb_symbol_path_is_plain(path))
        abort();
    free(name);
}

static void read_links(Elf *elf)
{
    struct tb_symbol_altlink link;
    struct tb_symbol_mini mini;
    if (tb_symbol_altlink_read(elf, &link) == 0)
        sink ^= (uint8_t)strlen(link.name) ^ link.build_id[link.build_id_len - 1];
    struct tb_symbol_unpacked unpacked;
    if (tb_symbol_unpacked_open(elf, &unpacked) == 0)
        tb_symbol_unpacked_done(&unpacked);
    sink ^= tb_symbol_elf_is_wounded(elf);
    if (tb_symbol_mini_open(elf, &mini) == 0)
        tb_symbol_mini_done(&mini);
}

static void fuzz_elf(const char *data, size_t len)
{
    struct tb_symbol_elf elf;
    struct tb_symbol_table table = {0};
    uint8_t word[8];
    int fd = memfd_create("elf", MFD_CLOEXEC);
    if (fd < 0)
        return;
    if (tb_fd_write_all(fd, data, len) != 0) {
        close(fd);
        return;
    }
    if (tb_symbol_elf_open(fd, &elf) != 0)
        return;
    read_links(elf.elf);
    add_names(elf.elf, &table);
    for (uint64_t i = 0; i < ADDRESSES; i++) {
        uint64_t address = elf.entry + i * 61;
        const struct tb_symbol_entry *entry = tb_symbol_table_find(&table, address);
        if (entry)
            sink ^= (uint8_t)strlen(entry->name);
        if (tb_symbol_elf_read(&elf, address, word, sizeof(word)) == 0)
            sink ^= word[0];
        sink ^= (uint8_t)tb_symbol_elf_is_code(&elf, address);
    }
    tb_symbol_table_done(&table);
    tb_symbol_elf_done(&elf);
}

static int answer(const struct tb_crash *crash, char reply[REPLY_BYTES])
{
    static struct tb_module module = {.hi = UINT64_MAX, .path = "nowhere"};
    const struct tb_symbol_config config = {.context_lines = 3};
    const struct tb_process process = {.root = "", .modules = &module, .n_modules = 1};
    struct tb_json json;
    tb_json_init(&json, reply, REPLY_BYTES);
    int err = tb_symbol_crash(&config, &process, crash, &json);
    (void)tb_json_finish(&json);
    return err;
}

/* The crash has the same answer with and without its threads: up to them, at least. */
static void fuzz_crash(const char *data, size_t len)
{
    static char with[REPLY_BYTES];
    static char without[REPLY_BYTES];
    struct tb_crash crash;
    if (tb_crash_unpack((const uint8_t *)data, len, &crash) != 0)
        return;
    int err = answer(&crash, with);
    crash.n_threads = 0;
    if (answer(&crash, without) != err)
        abort();
    const char *modules = err == 0 ? strstr(without, ",\"modules\":") : NULL;
    if (modules && strncmp(with, without, (size_t)(modules - without)) != 0)
        abort();
    tb_crash_done(&crash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(const char *, size_t) = {
        fuzz_config, fuzz_path, fuzz_name, fuzz_elf, fuzz_crash, fuzz_mini, fuzz_altlink};
    if (size == 0)
        return 0;
    targets[(unsigned)(data[0] - '0') % (sizeof(targets) / sizeof(targets[0]))](
        (const char *)data + 1, size - 1);
    return 0;
}
