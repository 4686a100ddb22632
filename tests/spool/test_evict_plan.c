/* What goes in which order: docs/spool-format.md 9, as a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "spool/evict_plan.h"

enum { FILES_MAX = 12, NONE = -2, OWN = 1000 };

struct row {
    const char *what;
    struct tb_evict_file files[FILES_MAX]; /* ends with class_ NONE */
    struct tb_evict_caps caps;             /* 0 is no cap, but for quarantine */
    const char *order;                     /* 'a' is files[0] */
    uint64_t quarantine;                   /* bytes of it that may stay */
};

#define HEAD(class, age, size) .class_ = (class), .age_ns = (age), .bytes = (size)
/* Class, age, bytes; of the agent's own user, of another, with a living owner, with the first or
 * last of a kind. */
#define OWN_FILE(class, age, size)                                                                 \
    {                                                                                              \
        HEAD(class, age, size), .uid = OWN                                                         \
    }
#define FILE_BY(user, class, age, size)                                                            \
    {                                                                                              \
        HEAD(class, age, size), .uid = (user)                                                      \
    }
#define LIVE_FILE(class, age, size)                                                                \
    {                                                                                              \
        HEAD(class, age, size), .uid = OWN, .is_fixed = true                                       \
    }
#define KEPT_FILE(class, age, size)                                                                \
    {                                                                                              \
        HEAD(class, age, size), .uid = OWN, .is_kept = true                                        \
    }
#define END                                                                                        \
    {                                                                                              \
        .class_ = NONE                                                                             \
    }

static const struct row rows[] = {
    {.what = "nothing goes while all caps are met",
     .files = {OWN_FILE(3, 9, 10), OWN_FILE(0, 9, 10), END},
     .caps = {.bytes = 20},
     .order = ""},
    {.what = "the oldest of the last class goes, and no more than is needed",
     .files = {OWN_FILE(3, 1, 10), OWN_FILE(3, 3, 10), OWN_FILE(3, 2, 10), END},
     .caps = {.bytes = 15},
     .order = "bc"},
    {.what = "classes go from info to crash, whatever their age",
     .files = {OWN_FILE(0, 9, 10), OWN_FILE(1, 8, 10), OWN_FILE(2, 7, 10), OWN_FILE(3, 6, 10), END},
     .caps = {.bytes = 1},
     .order = "dcba"},
    {.what = "nobody's files go for what another holds beyond the share and may not go",
     .files = {OWN_FILE(0, 9, 10), FILE_BY(7, 0, 8, 10), FILE_BY(8, TB_EVICT_FOREIGN, 0, 600), END},
     .caps = {.bytes = 100, .uid_bytes = 25, .foreign_age_ns = 5},
     .order = ""},
    {.what = "a crash stays while anything else could go",
     .files = {OWN_FILE(0, 99, 100), OWN_FILE(1, 1, 10), OWN_FILE(3, 1, 10), END},
     .caps = {.bytes = 100},
     .order = "cb"},
    {.what = "a foreign name older than the limit goes first, a younger one never",
     .files = {OWN_FILE(3, 99, 10), OWN_FILE(TB_EVICT_FOREIGN, 11, 10),
               OWN_FILE(TB_EVICT_FOREIGN, 10, 10), END},
     .caps = {.bytes = 15, .foreign_age_ns = 10},
     .order = "ba"},
    {.what = "a file whose owner lives never goes, and counts",
     .files = {LIVE_FILE(3, 9, 100), OWN_FILE(0, 1, 10), END},
     .caps = {.bytes = 50},
     .order = "b"},
    {.what = "of errors and crashes the first and last of a kind go after the others",
     .files = {KEPT_FILE(1, 9, 10), OWN_FILE(1, 5, 10), KEPT_FILE(1, 1, 10), KEPT_FILE(0, 9, 10),
               OWN_FILE(0, 8, 10), KEPT_FILE(0, 7, 10), END},
     .caps = {.bytes = 1},
     .order = "bacedf"},
    {.what = "quarantine shrinks after warnings and before errors",
     .files = {OWN_FILE(1, 9, 10), OWN_FILE(2, 1, 10), OWN_FILE(3, 1, 10), END},
     .caps = {.bytes = 25, .quarantine = 20},
     .order = "cb",
     .quarantine = 15},
    {.what = "an error goes when all of quarantine was not enough",
     .files = {OWN_FILE(1, 9, 10), OWN_FILE(1, 8, 10), END},
     .caps = {.bytes = 15, .quarantine = 20},
     .order = "a",
     .quarantine = 0},
    {.what = "quarantine shrinks when there is nothing else",
     .files = {LIVE_FILE(0, 9, 10), END},
     .caps = {.bytes = 15, .quarantine = 20},
     .order = "",
     .quarantine = 5},
    {.what = "classes 1 to 3 leave room to crashes, and quarantine is not touched for that",
     .files = {OWN_FILE(0, 9, 10), OWN_FILE(1, 9, 40), OWN_FILE(3, 9, 40), END},
     .caps = {.bytes = 100, .chatter = 75, .quarantine = 5},
     .order = "c",
     .quarantine = 5},
    {.what = "crashes do not go for what classes 1 to 3 use too much",
     .files = {OWN_FILE(0, 9, 10), LIVE_FILE(1, 9, 80), END},
     .caps = {.bytes = 100, .chatter = 75},
     .order = ""},
    {.what = "what is too old goes without any cap, by the age of its class",
     .files = {OWN_FILE(3, 25, 1), OWN_FILE(3, 24, 1), OWN_FILE(2, 73, 1), OWN_FILE(1, 337, 1),
               OWN_FILE(0, 2161, 1), OWN_FILE(0, 2160, 1), LIVE_FILE(3, 99, 1), END},
     .caps = {.max_age_ns = {2160, 336, 72, 24}},
     .order = "acde"},
    {.what = "a user over the share loses own files only",
     .files = {OWN_FILE(3, 99, 10), FILE_BY(7, 3, 1, 20), FILE_BY(7, 1, 1, 20),
               FILE_BY(8, 3, 99, 20), END},
     .caps = {.bytes = 100, .uid_bytes = 25, .own_uid = OWN},
     .order = "b"},
    {.what = "the one furthest over comes first",
     .files = {FILE_BY(7, 3, 9, 30), FILE_BY(8, 3, 1, 40), FILE_BY(9, 3, 9, 20), END},
     .caps = {.bytes = 100, .uid_bytes = 25, .own_uid = OWN},
     .order = "ba"},
    {.what = "the agent's own user has no share",
     .files = {OWN_FILE(3, 9, 90), END},
     .caps = {.bytes = 100, .uid_bytes = 25, .own_uid = OWN},
     .order = ""},
    {.what = "one who fills the spool with crashes loses them before others lose anything",
     .files = {FILE_BY(7, 0, 9, 60), FILE_BY(7, 0, 8, 20), FILE_BY(8, 1, 9, 20), OWN_FILE(3, 9, 20),
               END},
     .caps = {.bytes = 100, .uid_bytes = 25, .own_uid = OWN},
     .order = "a"},
};

static uint64_t or_no_cap(uint64_t cap)
{
    return cap ? cap : UINT64_MAX;
}

static void files_go_as_the_table_says(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct tb_evict_file files[FILES_MAX];
        struct tb_evict_caps caps = rows[r].caps;
        struct tb_evict_plan plan;
        char order[FILES_MAX + 1] = "";
        size_t n = 0;
        memcpy(files, rows[r].files, sizeof(files));
        while (files[n].class_ != NONE)
            n++;
        caps.bytes = or_no_cap(caps.bytes);
        caps.chatter = or_no_cap(caps.chatter);
        caps.uid_bytes = or_no_cap(caps.uid_bytes);
        for (int c = 0; c < TB_N_CLASSES; c++)
            caps.max_age_ns[c] = or_no_cap(caps.max_age_ns[c]);
        assert_int_equal(tb_evict_plan(files, n, &caps, &plan), 0);
        bool goes_for_cap = false;
        for (size_t i = 0; i < plan.n; i++) {
            const struct tb_evict_file *file = &files[plan.order[i]];
            order[i] = (char)('a' + plan.order[i]);
            assert_true(file->is_gone);
            goes_for_cap = goes_for_cap || ((file->class_ == 0 || file->class_ == 1) &&
                                            file->age_ns <= caps.max_age_ns[file->class_]);
        }
        if (strcmp(order, rows[r].order) != 0)
            print_error("%s: %s\n", rows[r].what, order);
        assert_string_equal(order, rows[r].order);
        assert_int_equal(plan.quarantine, rows[r].quarantine);
        assert_int_equal(plan.needs_kinds, goes_for_cap);
        tb_evict_plan_done(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_go_as_the_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
