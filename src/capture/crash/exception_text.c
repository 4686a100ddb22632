/* exception_text.c - see exception_text.h.
 *
 * A std::type_info: vptr, name. One with a single base goes on with that one's type; one with
 * several with flags u32, their number u32, and of each type, offset << 8 | 2 public | 1 virtual.
 * Which of these it is says the vptr: that of a type which is known to be so. */
#include "capture/crash/exception_text.h"

#include <errno.h>
#include <string.h>

enum {
    AT_NAME = 8,
    AT_BASE = 16,
    AT_N_BASES = 20,
    AT_BASES = 24,
    BASE_BYTES = 16,
    BASES_MAX = 8,
    LOOKS_MAX = 24, /* at a type, or at a base of it */
    AT_TEXT = 8,    /* in both classes: behind the vptr */
    IS_VIRTUAL = 1,
    OFFSET_BIT = 8
};

struct place {
    uint64_t type, object;
};

struct search {
    const struct tb_dynsym *runtime;
    uint64_t single, several; /* vptr of types with one base, with several; 0: not known */
    struct place places[LOOKS_MAX];
    int n;
};

static int read_word(const struct tb_dynsym *runtime, uint64_t address, uint64_t *out)
{
    return tb_memory_read(runtime->memory, address, out, sizeof(*out));
}

/* As much of a string as can be read; out has room for one more than cap. */
static size_t read_string(uint64_t address, char *out, size_t cap)
{
    size_t len = tb_memory_copy(address, out, cap);
    len = strnlen(out, len);
    out[len] = '\0';
    return len;
}

/* A name that begins with '*' is compared by its address, and is none the less the name. */
static size_t read_name(const struct tb_dynsym *runtime, uint64_t type, char *out, size_t cap)
{
    uint64_t address;
    char first;
    if (read_word(runtime, type + AT_NAME, &address) != 0 ||
        tb_memory_read(runtime->memory, address, &first, sizeof(first)) != 0)
        return 0;
    return read_string(address + (first == '*'), out, cap);
}

static uint64_t vptr_of(const struct tb_dynsym *runtime, const char *known_type)
{
    uint64_t type;
    uint64_t vptr;
    if (tb_dynsym_find(runtime, known_type, &type) != 0 || read_word(runtime, type, &vptr) != 0)
        return 0;
    return vptr;
}

/* libc++abi has no streams: there the table of the runtime itself. */
static uint64_t vptr_of_several(const struct tb_dynsym *runtime)
{
    uint64_t table;
    uint64_t vptr = vptr_of(runtime, "_ZTISd");
    if (vptr == 0 &&
        tb_dynsym_find(runtime, "_ZTVN10__cxxabiv121__vmi_class_type_infoE", &table) == 0)
        vptr = table + 2 * sizeof(uint64_t);
    return vptr;
}

static void add(struct search *search, uint64_t type, uint64_t object)
{
    if (search->n < LOOKS_MAX)
        search->places[search->n++] = (struct place){type, object};
}

static void add_several(struct search *search, const struct place *of)
{
    uint32_t n;
    if (tb_memory_read(search->runtime->memory, of->type + AT_N_BASES, &n, sizeof(n)) != 0)
        return;
    for (uint32_t i = 0; i < n && i < BASES_MAX; i++) {
        uint64_t base[2];
        if (tb_memory_read(search->runtime->memory, of->type + AT_BASES + (uint64_t)i * BASE_BYTES,
                           base, sizeof(base)) != 0)
            return;
        if (!(base[1] & IS_VIRTUAL))
            add(search, base[0], of->object + (base[1] >> OFFSET_BIT));
    }
}

static void add_bases(struct search *search, const struct place *of)
{
    uint64_t vptr;
    uint64_t base;
    if (read_word(search->runtime, of->type, &vptr) != 0 || vptr == 0)
        return;
    if (vptr == search->single && read_word(search->runtime, of->type + AT_BASE, &base) == 0)
        add(search, base, of->object);
    else if (vptr == search->several)
        add_several(search, of);
}

/* Where the address of the text is: in the object, or in a base of it. 0: nowhere. */
static uint64_t find_text(const struct tb_dynsym *runtime, uint64_t type, uint64_t object)
{
    static const struct {
        const char *name;
        int at;
    } known[] = {
        {"St13runtime_error", AT_TEXT},
        {"St11logic_error", AT_TEXT},
        {"PKc", 0},
        {"Pc", 0},
        {"NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE", 0},
    };
    struct search search;
    search.runtime = runtime;
    search.single = vptr_of(runtime, "_ZTISt13runtime_error");
    search.several = vptr_of_several(runtime);
    search.n = 0;
    add(&search, type, object);
    for (int i = 0; i < search.n; i++) {
        const struct place place = search.places[i];
        char name[64] = "";
        (void)read_name(runtime, place.type, name, sizeof(name) - 1);
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
            if (strcmp(name, known[k].name) == 0)
                return place.object + (uint64_t)known[k].at;
        }
        add_bases(&search, &place);
    }
    return 0;
}

int tb_exception_text(const struct tb_dynsym *runtime, uint64_t type, uint64_t object,
                      struct tb_exception *out)
{
    uint64_t text;
    out->what_len = 0;
    out->type_len = read_name(runtime, type, out->type, TB_CRASH_TYPE_MAX);
    if (out->type_len == 0)
        return -ENOENT;
    uint64_t text_at = find_text(runtime, type, object);
    if (text_at != 0 && read_word(runtime, text_at, &text) == 0)
        out->what_len = read_string(text, out->what, TB_CRASH_WHAT_MAX);
    return 0;
}
