/* Files of a spool by name, by id, and in order. */
#include "support.h"

#include <stdio.h>

#include "spool/index.h"

enum { N = 20000, CHAIN_MAX = 32 };

static size_t longest_chain(const struct tb_index *index)
{
    size_t longest = 0;
    for (size_t b = 0; b < index->n_buckets; b++) {
        size_t n = 0;
        for (const struct tb_source *s = index->by_id[b]; s; s = s->next_id)
            n++;
        longest = n > longest ? n : longest;
    }
    return longest;
}

/* Ids are the producers' to choose: here they differ in their upper, lower or middle bits alone. */
static void chosen_ids_do_not_meet_in_one_place(void **state)
{
    static const unsigned shifts[] = {0, 16, 32, 49};
    (void)state;
    for (size_t k = 0; k < sizeof(shifts) / sizeof(shifts[0]); k++) {
        struct tb_index index;
        static struct tb_source *sources[N];
        char name[TB_SPOOL_NAME];
        assert_int_equal(tb_index_init(&index), 0);
        for (uint64_t i = 0; i < N; i++) {
            (void)snprintf(name, sizeof(name), "1-00000000-%016x-0.seg", (unsigned)i);
            sources[i] = tb_source_new(name, 1, false, 0);
            assert_non_null(sources[i]);
            sources[i]->id = (i << shifts[k]) | (shifts[k] == 49 ? 0 : i << 60);
            assert_int_equal(tb_index_add(&index, sources[i]), 0);
            tb_index_add_id(&index, sources[i]);
        }
        assert_true(longest_chain(&index) < CHAIN_MAX);
        for (uint64_t i = 0; i < N; i++)
            assert_non_null(tb_index_id(&index, sources[i]->id));
        for (uint64_t i = 0; i < N; i++)
            tb_source_free(sources[i]);
        tb_index_done(&index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_ids_do_not_meet_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
