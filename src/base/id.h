/* id.h - random identifiers and hexadecimal text. Signal-safe. */
#ifndef TB_BASE_ID_H
#define TB_BASE_ID_H

#include <stddef.h>
#include <stdint.h>

enum {
    TB_UUID_BYTES = 16,
    TB_UUID_TEXT = 37, /* 8-4-4-4-12 and NUL */
};

/* Fills out with len random bytes from the kernel; never blocks after boot, never fails: where
 * getrandom is refused (seccomp) it mixes clocks and addresses instead. */
void tb_id_random(void *out, size_t len);

/* A random UUID, version 4 (RFC 4122 section 4.4). */
void tb_id_uuid(uint8_t out[TB_UUID_BYTES]);
/* The UUID that belongs to number among those of id, 16 random bytes. Makes no system call. */
void tb_id_uuid_of(const uint8_t id[16], uint64_t number, uint8_t out[TB_UUID_BYTES]);

/* The text form of a UUID in lower case. */
void tb_id_uuid_text(const uint8_t uuid[TB_UUID_BYTES], char out[TB_UUID_TEXT]);

/* Reads 36 characters, any case. 0, or -EINVAL. */
int tb_id_uuid_parse(const char *text, uint8_t out[TB_UUID_BYTES]);

/* Writes 2 * len lower-case hex digits and NUL. */
void tb_hex(const void *data, size_t len, char *out);

/* Reads exactly 2 * len hex digits of either case. 0, or -EINVAL. */
int tb_unhex(const char *text, void *out, size_t len);

/* The boot id of this machine's kernel as 16 bytes; zeros where /proc is not there. */
void tb_id_boot(uint8_t out[16]);

#endif
