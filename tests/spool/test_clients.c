/* Who lives: told from the slots that the reader knows, without a look at the disk. */
#include "support.h"

#include "base/id.h"

enum { N_MAX = 8 };

struct seen {
    struct tb_spool_client clients[N_MAX];
    size_t n;
};

static bool note(void *arg, const struct tb_spool_client *client)
{
    struct seen *seen = arg;
    assert_true(seen->n < N_MAX);
    seen->clients[seen->n++] = *client;
    return true;
}

static bool dismiss(void *arg, const struct tb_spool_client *client)
{
    (void)note(arg, client);
    return false;
}

static struct seen clients_of(const struct fixture *fixture)
{
    struct seen seen = {.n = 0};
    tb_spool_clients(fixture->spool, note, &seen);
    return seen;
}

static void look(struct fixture *fixture)
{
    struct tb_spool_record record;
    while (tb_spool_next(fixture->spool, &record) == 0)
        continue;
}

static void a_process_is_a_client_for_as_long_as_it_lives(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slot;
    struct tb_file_header header;
    uint8_t boot[16];
    tb_id_boot(boot);
    open_spool(fixture);
    look(fixture);
    assert_int_equal(clients_of(fixture).n, 0);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 4242), 0);
    assert_int_equal(tb_file_header_unpack(slot.header, &header), 0);
    look(fixture);
    struct seen seen = clients_of(fixture);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.clients[0].file_id, tb_get64(header.id));
    assert_int_equal(seen.clients[0].pid, getpid());
    assert_int_equal(seen.clients[0].uid, geteuid());
    assert_int_equal(seen.clients[0].start_ticks, 4242);
    assert_true(seen.clients[0].is_this_boot);
    tb_slot_close(&slot, 1);
    reopen_spool(fixture); /* looks at everything */
    assert_int_equal(clients_of(fixture).n, 0);
}

static void a_client_that_is_dismissed_is_not_told_of_again(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slots[2];
    struct seen seen = {.n = 0};
    static const uint8_t boot[16];
    assert_int_equal(tb_slot_open(&slots[0], fixture->dirfd, boot, 1), 0);
    open_spool(fixture);
    tb_spool_clients(fixture->spool, dismiss, &seen);
    assert_int_equal(seen.n, 1);
    assert_int_equal(clients_of(fixture).n, 0);
    assert_int_equal(tb_slot_open(&slots[1], fixture->dirfd, boot, 2), 0);
    look(fixture);
    seen = clients_of(fixture);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.clients[0].start_ticks, 2);
    for (int i = 0; i < 2; i++)
        tb_slot_close(&slots[i], 1);
}

/* Who names no boot is of this one as long as its lock is held. */
static void a_slot_of_another_boot_is_told_as_such(void **state)
{
    struct fixture *fixture = *state;
    struct tb_slot slots[2];
    static const uint8_t boots[2][16] = {{0}, {0xab}};
    for (int i = 0; i < 2; i++)
        assert_int_equal(tb_slot_open(&slots[i], fixture->dirfd, boots[i], (uint64_t)i), 0);
    open_spool(fixture);
    struct seen seen = clients_of(fixture);
    assert_int_equal(seen.n, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(seen.clients[i].is_this_boot, seen.clients[i].start_ticks == 0);
        tb_slot_close(&slots[i], 1);
    }
}

static void what_is_no_slot_is_no_client(void **state)
{
    struct fixture *fixture = *state;
    struct tb_writer writer;
    struct tb_slot slot;
    static const uint8_t boot[16];
    tb_writer_init(&writer, TB_CLASS_ERROR, fixture->dirfd);
    assert_int_equal(append(&writer, 1), 0);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 1), 0);
    tb_slot_close(&slot, 0); /* nobody's any more */
    assert_int_equal(tb_slot_open_spare(&slot, fixture->dirfd, boot),
                     0); /* a second of its maker */
    open_spool(fixture);
    assert_int_equal(clients_of(fixture).n, 0);
    tb_writer_close(&writer);
    tb_slot_close(&slot, 0);
}

static void a_record_says_which_process_it_came_from(void **state)
{
    struct fixture *fixture = *state;
    struct tb_spool_record record;
    struct tb_slot slot;
    uint8_t boot[16];
    tb_id_boot(boot);
    assert_int_equal(tb_slot_open(&slot, fixture->dirfd, boot, 4242), 0);
    tb_slot_begin(&slot, boot, 1);
    assert_int_equal(tb_slot_write(&slot, "crash", 5), 0);
    tb_slot_end(&slot);
    tb_slot_state(&slot, TB_SLOT_COMPLETE, 1);
    tb_slot_close(&slot, 0);
    open_spool(fixture);
    assert_int_equal(tb_spool_next(fixture->spool, &record), 0);
    assert_int_equal(record.pid, getpid());
    assert_int_equal(record.start_ticks, 4242);
    assert_true(record.created_mono_ns > 0);
    assert_true(record.is_this_boot);
    assert_true(record.names_boot);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_process_is_a_client_for_as_long_as_it_lives),
        CASE(a_client_that_is_dismissed_is_not_told_of_again),
        CASE(a_slot_of_another_boot_is_told_as_such),
        CASE(what_is_no_slot_is_no_client),
        CASE(a_record_says_which_process_it_came_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
