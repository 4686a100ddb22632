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

/* ---- users ---- */

enum { USERS = TB_INDEX_LINES - 1, FIRST_UID = 10001 };

/* The n-th file, seated but not in its line yet. */
static struct tb_source *seat_file_of(struct tb_index *index, unsigned n, uid_t uid)
{
    char name[TB_SPOOL_NAME];
    (void)snprintf(name, sizeof(name), "1-00000000-%016x-0.seg", n);
    struct tb_source *source = tb_source_new(name, 1, false, 0);
    assert_non_null(source);
    assert_int_equal(tb_index_add(index, source), 0);
    tb_index_seat(index, source, uid);
    assert_in_range(source->line, 1, USERS);
    return source;
}

static void forget(struct tb_index *index, struct tb_source *source)
{
    tb_index_remove(index, source);
    tb_source_free(source);
}

static void no_two_users_share_a_line_while_one_is_free(void **state)
{
    struct tb_index index;
    struct tb_source *sources[USERS + 1];
    int is_taken[TB_INDEX_LINES] = {0};
    (void)state;
    assert_int_equal(tb_index_init(&index), 0);
    for (unsigned i = 0; i < USERS; i++) {
        sources[i] = seat_file_of(&index, i, FIRST_UID + i);
        assert_false(is_taken[sources[i]->line]);
        is_taken[sources[i]->line] = 1;
    }
    sources[USERS] = seat_file_of(&index, USERS, FIRST_UID + USERS);
    int shared = sources[USERS]->line;
    /* Once another has left, who shares a line gets one of his own. */
    unsigned gone = sources[0]->line == shared ? 1 : 0;
    int freed = sources[gone]->line;
    forget(&index, sources[gone]);
    tb_index_seat(&index, sources[USERS], FIRST_UID + USERS);
    assert_int_equal(sources[USERS]->line, freed);
    for (unsigned i = 0; i <= USERS; i++)
        if (i != gone)
            forget(&index, sources[i]);
    tb_index_done(&index);
}

/* Else his turn would come first each time that he has nothing for a moment. */
static void who_comes_back_has_not_waited_since_the_beginning(void **state)
{
    struct tb_index index;
    (void)state;
    assert_int_equal(tb_index_init(&index), 0);
    struct tb_source *other = seat_file_of(&index, 0, FIRST_UID);
    tb_index_take_turn(&index, other);
    for (unsigned i = 1; i <= 3; i++) {
        struct tb_source *source = seat_file_of(&index, i, FIRST_UID + 1);
        tb_index_take_turn(&index, source);
        forget(&index, source);
    }
    struct tb_source *back = seat_file_of(&index, 4, FIRST_UID + 1);
    tb_index_push(&index, back);
    tb_index_push(&index, other);
    assert_ptr_equal(tb_index_first(&index), other);
    forget(&index, back);
    forget(&index, other);
    tb_index_done(&index);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_ids_do_not_meet_in_one_place),
        cmocka_unit_test(no_two_users_share_a_line_while_one_is_free),
        cmocka_unit_test(who_comes_back_has_not_waited_since_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
