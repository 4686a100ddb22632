/* places.c - see places.h. */
#include "symbol/places.h"

#include <errno.h>
#include <string.h>

#include "base/pack.h"

enum { AT_ADDRESS = 0, AT_FLAGS = 8, AT_NAME_LEN = 12 };

size_t tb_symbol_asked_pack(const struct tb_symbol_asked *asked, uint8_t *out, size_t cap)
{
    size_t len = TB_SYMBOL_ASKED_BYTES + asked->name_len;
    if (asked->name_len > TB_SYMBOL_ASKED_NAME_MAX || len > cap)
        return 0;
    tb_put64(out + AT_ADDRESS, asked->address);
    tb_put32(out + AT_FLAGS, asked->flags);
    tb_put32(out + AT_NAME_LEN, (uint32_t)asked->name_len);
    if (asked->name_len > 0)
        memcpy(out + TB_SYMBOL_ASKED_BYTES, asked->name, asked->name_len);
    return len;
}

int tb_symbol_asked_next(const uint8_t *body, size_t body_len, size_t *at,
                         struct tb_symbol_asked *out)
{
    if (*at == body_len)
        return -ENODATA;
    if (body_len - *at < TB_SYMBOL_ASKED_BYTES)
        return -EBADMSG;
    const uint8_t *bytes = body + *at;
    size_t name_len = tb_get32(bytes + AT_NAME_LEN);
    if (name_len > TB_SYMBOL_ASKED_NAME_MAX || name_len > body_len - *at - TB_SYMBOL_ASKED_BYTES)
        return -EBADMSG;
    *out = (struct tb_symbol_asked){.address = tb_get64(bytes + AT_ADDRESS),
                                    .flags = tb_get32(bytes + AT_FLAGS),
                                    .name = (const char *)bytes + TB_SYMBOL_ASKED_BYTES,
                                    .name_len = name_len};
    *at += TB_SYMBOL_ASKED_BYTES + name_len;
    return 0;
}
