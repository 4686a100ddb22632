/* The bytes of docs/spool-format.md 2 and 3, and what unpacking accepts. */
#include "support.h"

#include "base/crc.h"
#include "spool/frame.h"

static struct tb_file_header sample_header(void)
{
    struct tb_file_header header = {.class_ = 2,
                                    .kind = TB_FILE_SLOT,
                                    .salt = 0x11223344,
                                    .pid = 4711,
                                    .uid = 1000,
                                    .file_bytes = TB_SLOT_BYTES,
                                    .start_ticks = 0x0102030405060708,
                                    .created_wall_ns = 1700000000000000001,
                                    .created_mono_ns = 99};
    for (int i = 0; i < 16; i++) {
        header.id[i] = (uint8_t)(i + 1);
        header.boot_id[i] = (uint8_t)(0xf0 + i);
    }
    return header;
}

static void file_header_comes_back_as_it_was_packed(void **state)
{
    (void)state;
    struct tb_file_header header = sample_header();
    struct tb_file_header back;
    uint8_t image[TB_FILE_HEADER_BYTES];
    memset(&back, 0, sizeof(back));
    tb_file_header_pack(&header, image);
    assert_int_equal(tb_file_header_unpack(image, &back), 0);
    assert_int_equal(back.class_, header.class_);
    assert_int_equal(back.kind, header.kind);
    assert_int_equal(back.salt, header.salt);
    assert_int_equal(back.pid, header.pid);
    assert_int_equal(back.uid, header.uid);
    assert_int_equal(back.file_bytes, header.file_bytes);
    assert_memory_equal(back.id, header.id, 16);
    assert_memory_equal(back.boot_id, header.boot_id, 16);
    assert_int_equal(back.start_ticks, header.start_ticks);
    assert_int_equal(back.created_wall_ns, header.created_wall_ns);
    assert_int_equal(back.created_mono_ns, header.created_mono_ns);
}

static void file_header_stands_where_the_page_says(void **state)
{
    (void)state;
    struct tb_file_header header = sample_header();
    uint8_t image[TB_FILE_HEADER_BYTES];
    tb_file_header_pack(&header, image);
    assert_memory_equal(image, "TOWBAR\0\1", 8);
    assert_int_equal(tb_get16(image + 8), 1);
    assert_int_equal(tb_get16(image + 10), 128);
    assert_int_equal(image[12], 2);
    assert_int_equal(image[13], 1);
    assert_int_equal(tb_get32(image + 16), 0x11223344);
    assert_int_equal(tb_get32(image + 20), 4711);
    assert_int_equal(tb_get32(image + 24), 1000);
    assert_int_equal(tb_get32(image + 28), 256 << 10);
    assert_int_equal(image[32], 1);
    assert_int_equal(image[48], 0xf0);
    assert_int_equal(tb_get64(image + 64), 0x0102030405060708);
    assert_int_equal(tb_get64(image + 80), 99);
    for (int i = 88; i < 124; i++)
        assert_int_equal(image[i], 0);
    assert_int_equal(tb_get32(image + 124), tb_crc32c(0, image, 124));
}

static void any_flipped_bit_of_a_file_header_is_refused_and_mended(void **state)
{
    (void)state;
    struct tb_file_header header = sample_header();
    struct tb_file_header back;
    uint8_t image[TB_FILE_HEADER_BYTES];
    uint8_t damaged[TB_FILE_HEADER_BYTES];
    tb_file_header_pack(&header, image);
    for (unsigned bit = 0; bit < sizeof(image) * 8; bit++) {
        memcpy(damaged, image, sizeof(image));
        damaged[bit / 8] ^= (uint8_t)(1u << bit % 8);
        int err = tb_file_header_unpack(damaged, &back);
        assert_int_equal(err, bit < 64 ? -EPROTO : -EBADMSG);
        assert_int_equal(tb_file_header_mend(damaged), 0);
        assert_memory_equal(damaged, image, sizeof(image));
    }
    damaged[20] ^= 3;
    assert_int_equal(tb_file_header_mend(damaged), -EBADMSG);
}

static void a_newer_version_is_told_apart_from_damage(void **state)
{
    (void)state;
    struct tb_file_header header = sample_header();
    struct tb_file_header back;
    uint8_t image[TB_FILE_HEADER_BYTES];
    tb_file_header_pack(&header, image);
    tb_put16(image + 8, 2);
    tb_put32(image + 124, tb_crc32c(0, image, 124));
    assert_int_equal(tb_file_header_unpack(image, &back), -EPROTONOSUPPORT);
}

static struct tb_frame sample_frame(size_t len)
{
    struct tb_frame frame = {.len = (uint32_t)len,
                             .type = TB_FRAME_FIRST,
                             .class_ = 1,
                             .kind = TB_KIND_CRASH,
                             .flags = TB_FRAME_TRUNCATED,
                             .offset = 131072,
                             .seq = 0x0a0b0c0d0e0f,
                             .time_ns = 1700000000123456789};
    memcpy(frame.uuid, "0123456789abcdef", 16);
    return frame;
}

static void frame_comes_back_and_stands_where_the_page_says(void **state)
{
    (void)state;
    static const char payload[] = "payload";
    struct tb_frame frame = sample_frame(sizeof(payload));
    struct tb_frame back;
    uint8_t image[TB_FRAME_HEADER_BYTES];
    tb_frame_pack(&frame, 77, payload, image);
    assert_memory_equal(image, "TBF1", 4);
    assert_int_equal(tb_get32(image + 4), tb_crc32c(77, image + 8, 48));
    assert_int_equal(tb_get32(image + 8), sizeof(payload));
    assert_int_equal(tb_get32(image + 12), tb_crc32c(77, payload, sizeof(payload)));
    assert_int_equal(tb_get32(image + 20), 131072 / 8);
    assert_memory_equal(image + 40, "0123456789abcdef", 16);

    assert_int_equal(tb_frame_unpack(image, 77, 131072, &back), 0);
    assert_int_equal(back.len, frame.len);
    assert_int_equal(back.type, TB_FRAME_FIRST);
    assert_int_equal(back.class_, 1);
    assert_int_equal(back.kind, TB_KIND_CRASH);
    assert_int_equal(back.flags, TB_FRAME_TRUNCATED);
    assert_int_equal(back.seq, frame.seq);
    assert_int_equal(back.time_ns, frame.time_ns);
    assert_memory_equal(back.uuid, frame.uuid, 16);
    assert_int_equal(tb_frame_check(&back, 77, payload), 0);
    assert_int_equal(tb_frame_check(&back, 77, "paYload"), -EBADMSG);
}

static void a_payload_can_have_zlib_s_checksum(void **state)
{
    (void)state;
    static const char payload[] = "payload";
    struct tb_frame frame = sample_frame(sizeof(payload));
    struct tb_frame back;
    uint8_t image[TB_FRAME_HEADER_BYTES];
    frame.flags = TB_FRAME_CRC32;
    tb_frame_pack(&frame, 77, payload, image);
    assert_int_equal(image[19], 2);
    assert_int_equal(tb_get32(image + 12), tb_crc32(77, payload, sizeof(payload)));
    assert_int_equal(tb_frame_unpack(image, 77, 131072, &back), 0);
    assert_int_equal(tb_frame_check(&back, 77, payload), 0);
    assert_int_equal(tb_frame_check(&back, 78, payload), -EBADMSG);
    assert_int_equal(tb_frame_check(&back, 77, "paYload"), -EBADMSG);
    back.flags = 0;
    assert_int_equal(tb_frame_check(&back, 77, payload), -EBADMSG);
}

static void frame_is_bound_to_its_place_and_file(void **state)
{
    (void)state;
    struct tb_frame frame = sample_frame(4);
    struct tb_frame back;
    uint8_t image[TB_FRAME_HEADER_BYTES];
    tb_frame_pack(&frame, 77, "abcd", image);
    assert_int_equal(tb_frame_unpack(image, 77, 131072 + 8, &back), -EBADMSG);
    assert_int_equal(tb_frame_unpack(image, 78, 131072, &back), -EBADMSG);
}

static void any_flipped_bit_of_a_frame_is_refused(void **state)
{
    (void)state;
    struct tb_frame frame = sample_frame(4);
    struct tb_frame back;
    uint8_t image[TB_FRAME_HEADER_BYTES];
    tb_frame_pack(&frame, 77, "abcd", image);
    for (unsigned bit = 0; bit < sizeof(image) * 8; bit++) {
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(tb_frame_unpack(image, 77, 131072, &back), -EBADMSG);
        image[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    memset(image, 0, sizeof(image));
    assert_int_equal(tb_frame_unpack(image, 77, 131072, &back), -ENODATA);
}

static void a_length_over_the_limit_is_refused_though_its_checksum_holds(void **state)
{
    (void)state;
    struct tb_frame frame = sample_frame(4);
    struct tb_frame back;
    uint8_t image[TB_FRAME_HEADER_BYTES];
    tb_frame_pack(&frame, 77, "abcd", image);
    tb_put32(image + 8, TB_PAYLOAD_MAX_BYTES + 1);
    tb_put32(image + 4, tb_crc32c(77, image + 8, 48));
    assert_int_equal(tb_frame_unpack(image, 77, 131072, &back), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_header_comes_back_as_it_was_packed),
        cmocka_unit_test(file_header_stands_where_the_page_says),
        cmocka_unit_test(any_flipped_bit_of_a_file_header_is_refused_and_mended),
        cmocka_unit_test(a_newer_version_is_told_apart_from_damage),
        cmocka_unit_test(frame_comes_back_and_stands_where_the_page_says),
        cmocka_unit_test(a_payload_can_have_zlib_s_checksum),
        cmocka_unit_test(frame_is_bound_to_its_place_and_file),
        cmocka_unit_test(any_flipped_bit_of_a_frame_is_refused),
        cmocka_unit_test(a_length_over_the_limit_is_refused_though_its_checksum_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
