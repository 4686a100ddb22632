/* json.h - a JSON writer into memory of fixed size. Signal-safe: no allocation, no locale.
 *
 * 1. What it wrote is valid JSON at every finish, also when the memory was too small: then the
 *    values that did not fit are left out, what was open is closed, and finish says -ENOSPC.
 * 2. Text is UTF-8: bytes that are not become U+FFFD, control characters are escaped.
 * 3. It does not allow nesting over TB_JSON_DEPTH; deeper values are left out as in 1. */
#ifndef TB_BASE_JSON_H
#define TB_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TB_JSON_DEPTH = 32 };

struct tb_json {
    char *mem; /* the caller's */
    size_t cap;
    size_t len;
    size_t whole;         /* length after the last complete value: where an overflow cuts back to */
    unsigned depth;       /* brackets open */
    unsigned whole_depth; /* brackets open at whole */
    bool comma;           /* the next value needs one */
    int err;              /* sticky */
    char close[TB_JSON_DEPTH];
};

void tb_json_init(struct tb_json *j, char *mem, size_t cap);
void tb_json_object(struct tb_json *j);
void tb_json_array(struct tb_json *j);
/* Closes the innermost object or array. */
void tb_json_end(struct tb_json *j);
void tb_json_key(struct tb_json *j, const char *key);
/* NULL becomes null. */
void tb_json_str(struct tb_json *j, const char *text);
void tb_json_strn(struct tb_json *j, const char *text, size_t len);
void tb_json_int(struct tb_json *j, int64_t value);
void tb_json_bool(struct tb_json *j, bool value);
/* A 64-bit number as text, "0x1f": Rollbar's readers keep only 53 bits of a JSON number. */
void tb_json_hex(struct tb_json *j, uint64_t value);
/* Bytes as lower-case hex text. */
void tb_json_hexstr(struct tb_json *j, const void *data, size_t len);
/* One complete JSON value, taken as it is. */
void tb_json_raw(struct tb_json *j, const char *json, size_t len);
/* key and value in one. */
void tb_json_kstr(struct tb_json *j, const char *key, const char *text);
/* The same, left out when text is NULL or empty. */
void tb_json_kopt(struct tb_json *j, const char *key, const char *text);
void tb_json_kint(struct tb_json *j, const char *key, int64_t value);
void tb_json_kbool(struct tb_json *j, const char *key, bool value);
void tb_json_khex(struct tb_json *j, const char *key, uint64_t value);
/* Closes all that is open and NUL-terminates. 0, or the sticky error: -ENOSPC, -EINVAL. */
int tb_json_finish(struct tb_json *j);

#endif
