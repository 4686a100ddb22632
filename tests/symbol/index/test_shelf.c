/* test_shelf.c - indexes that stay mapped: how many, which go, and what is told of them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "empty_index.h"
#include "symbol/index/shelf.h"
#include "symbol/index/shelf_file.h"

static struct tb_symbol_key key_of(uint16_t number)
{
    struct tb_symbol_key key = {.build_id_len = 20, .uid = 7};
    tb_put16(key.build_id, number);
    return key;
}

static struct tb_symbol_indexed make(const struct tb_symbol_key *key)
{
    uint8_t bytes[EMPTY_INDEX_BYTES];
    struct tb_symbol_indexed made = {.len = sizeof(bytes)};
    empty_index_write(key->build_id, key->build_id_len, 0, bytes);
    made.fd = memfd_create("index", MFD_CLOEXEC);
    assert_true(made.fd >= 0);
    assert_int_equal(write(made.fd, bytes, sizeof(bytes)), sizeof(bytes));
    made.bytes = mmap(NULL, sizeof(bytes), PROT_READ, MAP_SHARED, made.fd, 0);
    assert_ptr_not_equal(made.bytes, MAP_FAILED);
    return made;
}

static struct tb_symbol_shelved *add(struct tb_symbol_shelf *shelf, uint16_t number, bool is_kept)
{
    struct tb_symbol_key key = key_of(number);
    struct tb_symbol_indexed made = make(&key);
    struct tb_symbol_shelved *shelved = tb_symbol_shelf_add(shelf, &key, &made, is_kept);
    assert_non_null(shelved);
    assert_int_equal(made.fd, -1);
    return shelved;
}

static struct tb_symbol_shelved *get(struct tb_symbol_shelf *shelf, uint16_t number)
{
    struct tb_symbol_key key = key_of(number);
    return tb_symbol_shelf_get(shelf, NULL, &key);
}

static void shelf_is_bounded_and_keeps_what_is_in_use(void **state)
{
    struct tb_symbol_shelf shelf = {0};
    (void)state;
    struct tb_symbol_shelved *held = add(&shelf, 0, false);
    for (uint16_t i = 1; i < 2 * TB_SYMBOL_SHELF_INDEXES; i++)
        tb_symbol_shelf_put(add(&shelf, i, false));
    tb_symbol_shelf_trim(&shelf);
    assert_int_equal(shelf.n, TB_SYMBOL_SHELF_INDEXES);
    assert_int_equal(shelf.bytes, (size_t)TB_SYMBOL_SHELF_INDEXES * EMPTY_INDEX_BYTES);
    assert_null(get(&shelf, 1)); /* used longest ago */
    assert_ptr_equal(get(&shelf, 0), held);
    assert_non_null(get(&shelf, 2 * TB_SYMBOL_SHELF_INDEXES - 1));
    tb_symbol_shelf_done(&shelf);
    assert_int_equal(shelf.n, 0);
}

static void newer_index_takes_the_place_of_the_older(void **state)
{
    struct tb_symbol_shelf shelf = {0};
    (void)state;
    struct tb_symbol_shelved *older = add(&shelf, 1, true); /* in use */
    struct tb_symbol_shelved *newer = add(&shelf, 1, true);
    assert_int_equal(shelf.n_news, 1); /* the older one need not be handed over */
    struct tb_symbol_shelved *found = get(&shelf, 1);
    assert_ptr_equal(found, newer);
    tb_symbol_shelf_put(found);
    tb_symbol_shelf_trim(&shelf);
    assert_int_equal(shelf.n, 2);
    assert_int_equal(older->index.build_id_len, 20); /* still there */
    tb_symbol_shelf_put(older);
    tb_symbol_shelf_trim(&shelf);
    assert_int_equal(shelf.n, 1);
    tb_symbol_shelf_put(newer);
    tb_symbol_shelf_done(&shelf);
}

static void owner_and_file_are_part_of_the_key(void **state)
{
    struct tb_symbol_shelf shelf = {0};
    const struct stat file = {.st_uid = 7, .st_ino = 5, .st_size = 100};
    struct stat changed = file;
    (void)state;
    tb_symbol_shelf_put(add(&shelf, 1, false));
    struct tb_symbol_key key = key_of(1);
    key.uid = 8;
    assert_null(tb_symbol_shelf_get(&shelf, NULL, &key));
    changed.st_mtim.tv_nsec = 1;
    key = tb_symbol_key_of(NULL, 0, &file); /* without a build ID */
    struct tb_symbol_indexed made = make(&key);
    tb_symbol_shelf_put(tb_symbol_shelf_add(&shelf, &key, &made, true));
    assert_int_equal(shelf.n_news, 0); /* which no folder can keep */
    key = tb_symbol_key_of(NULL, 0, &changed);
    assert_null(tb_symbol_shelf_get(&shelf, NULL, &key));
    key = tb_symbol_key_of(NULL, 0, &file);
    struct tb_symbol_shelved *found = tb_symbol_shelf_get(&shelf, NULL, &key);
    assert_non_null(found);
    tb_symbol_shelf_put(found);
    tb_symbol_shelf_done(&shelf);
}

static void news_is_told_once_and_use_again_after_a_while(void **state)
{
    const uint64_t later = (uint64_t)(TB_SYMBOL_SHELF_TELL_MS + 1) * TB_NS_PER_MS;
    struct tb_symbol_shelf shelf = {0};
    (void)state;
    assert_null(tb_symbol_shelf_news(&shelf, 1));
    tb_symbol_shelf_put(add(&shelf, 1, false));
    assert_null(tb_symbol_shelf_news(&shelf, 1)); /* of no interest to the folder */
    tb_symbol_shelf_put(add(&shelf, 2, true));
    struct tb_symbol_shelved *news = tb_symbol_shelf_news(&shelf, 1);
    assert_non_null(news);
    assert_true(news->fd >= 0);
    tb_symbol_shelf_trim(&shelf);
    tb_symbol_shelf_told(&shelf, news, 1);
    assert_int_equal(news->fd, -1);
    assert_null(tb_symbol_shelf_news(&shelf, later)); /* not used since */
    tb_symbol_shelf_put(get(&shelf, 2));
    assert_null(tb_symbol_shelf_news(&shelf, 2));
    assert_ptr_equal(tb_symbol_shelf_news(&shelf, later + 1), news);
    tb_symbol_shelf_done(&shelf);
}

static void no_more_wait_than_there_are_descriptors_for(void **state)
{
    struct tb_symbol_shelf shelf = {0};
    (void)state;
    for (uint16_t i = 0; i < TB_SYMBOL_SHELF_NEWS + 5; i++)
        tb_symbol_shelf_put(add(&shelf, i, true));
    assert_int_equal(shelf.n_news, TB_SYMBOL_SHELF_NEWS);
    tb_symbol_shelf_trim(&shelf);
    assert_int_equal(shelf.n, TB_SYMBOL_SHELF_NEWS); /* those that wait stay */
    tb_symbol_shelf_done(&shelf);
}

static void name_of_a_file_has_build_id_and_owner(void **state)
{
    static const uint8_t build_id[TB_BUILD_ID_BYTES] = {0xab, 0xcd, 0xef};
    char sub[TB_SYMBOL_SHELF_SUBFOLDER];
    char name[TB_SYMBOL_SHELF_NAME];
    (void)state;
    assert_int_equal(tb_symbol_shelf_file_name(build_id, 3, 4294967295U, sub, name), 0);
    assert_string_equal(sub, "ab");
    assert_string_equal(name, "cdef-4294967295.tbx");
    assert_int_equal(tb_symbol_shelf_file_name(build_id, TB_BUILD_ID_BYTES, 4294967295U, sub, name),
                     0);
    assert_int_equal(strlen(name), 2 * (TB_BUILD_ID_BYTES - 1) + strlen("-4294967295.tbx"));
    assert_true(tb_symbol_shelf_file_name(build_id, 1, 0, sub, name) < 0);
    assert_true(tb_symbol_shelf_file_name(build_id, TB_BUILD_ID_BYTES + 1, 0, sub, name) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shelf_is_bounded_and_keeps_what_is_in_use),
        cmocka_unit_test(newer_index_takes_the_place_of_the_older),
        cmocka_unit_test(owner_and_file_are_part_of_the_key),
        cmocka_unit_test(news_is_told_once_and_use_again_after_a_while),
        cmocka_unit_test(no_more_wait_than_there_are_descriptors_for),
        cmocka_unit_test(name_of_a_file_has_build_id_and_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
