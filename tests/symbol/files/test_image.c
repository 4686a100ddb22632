/* test_image.c - one opened file: what is worked out from it, and when it is another. */
#include "support.h"

#include <errno.h>

#include "symbol/files/image.h"

static char path[512]; /* of a program with debug data and both tables */

static struct tb_symbol_image *open_image(const char *name)
{
    struct stat st;
    struct tb_symbol_image *image = NULL;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(tb_symbol_image_open(fd, name, &st, &image), 0);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* consumed */
    return image;
}

static void all_is_there_and_stays_where_it_is(void **state)
{
    struct tb_symbol_image *image = open_image(path);
    (void)state;
    const struct tb_symbol_table *symtab = tb_symbol_image_table(image, TB_SYMBOL_SYMTAB);
    const struct tb_symbol_table *dynsym = tb_symbol_image_table(image, TB_SYMBOL_DYNSYM);
    assert_non_null(symtab);
    assert_non_null(dynsym);
    assert_true(symtab->n > dynsym->n);
    size_t n = symtab->n;
    assert_ptr_equal(tb_symbol_image_table(image, TB_SYMBOL_SYMTAB), symtab);
    assert_int_equal(symtab->n, n); /* not read twice */
    tb_symbol_image_close(image);
}

static void stripped_file_has_exported_names_alone(void **state)
{
    char stripped[512];
    (void)state;
    RUN("objcopy", "--strip-all", path, in_folder(stripped, "stripped"));
    struct tb_symbol_image *image = open_image(stripped);
    assert_null(tb_symbol_image_table(image, TB_SYMBOL_SYMTAB));
    assert_non_null(tb_symbol_image_table(image, TB_SYMBOL_DYNSYM));
    tb_symbol_image_close(image);
}

static void path_inode_size_and_times_tell_files_apart(void **state)
{
    struct tb_symbol_image *image = open_image(path);
    (void)state;
    const struct stat same = image->stat;
    assert_true(tb_symbol_image_is(image, path, &same));
    assert_false(tb_symbol_image_is(image, "/elsewhere", &same));
    struct stat others[7];
    for (size_t i = 0; i < 7; i++)
        others[i] = same;
    others[0].st_dev++;
    others[1].st_ino++;
    others[2].st_size++;
    others[3].st_mtim.tv_sec++;
    others[4].st_mtim.tv_nsec++;
    others[5].st_ctim.tv_sec++;
    others[6].st_ctim.tv_nsec++;
    for (size_t i = 0; i < 7; i++)
        assert_false(tb_symbol_image_is(image, path, &others[i]));
    tb_symbol_image_close(image);
}

/* "123456789" has the well-known sum; an ELF file has not, so the bytes are lent. */
static void checksum_is_that_of_ieee(void **state)
{
    static const uint8_t digits[] = "123456789";
    struct tb_symbol_image image = {.elf = {.bytes = digits, .len = 9}};
    (void)state;
    assert_int_equal(tb_symbol_image_crc(&image), 0xcbf43926);
    image.elf.len = 1;
    assert_int_equal(tb_symbol_image_crc(&image), 0xcbf43926); /* worked out once */
}

static void what_is_no_elf_file_consumes_the_descriptor_all_the_same(void **state)
{
    struct stat st;
    struct tb_symbol_image *image = NULL;
    (void)state;
    int fd = open(CHAIN_C, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(tb_symbol_image_open(fd, CHAIN_C, &st, &image), -EBADMSG);
    assert_null(image);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    tb_symbol_image_close(NULL);
}

static int set_up(void **state)
{
    if (make_folder(state) != 0)
        return -1;
    RUN(c_compiler(), "-g", "-O1", "-rdynamic", CHAIN_C, PROBE_C, "-o", in_folder(path, "image"));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_there_and_stays_where_it_is),
        cmocka_unit_test(stripped_file_has_exported_names_alone),
        cmocka_unit_test(path_inode_size_and_times_tell_files_apart),
        cmocka_unit_test(checksum_is_that_of_ieee),
        cmocka_unit_test(what_is_no_elf_file_consumes_the_descriptor_all_the_same),
    };
    return cmocka_run_group_tests(tests, set_up, remove_folder);
}
