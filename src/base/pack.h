/* pack.h - little-endian loads and stores for bytes on disk and on the wire.
 *
 * Every on-disk format of towbar is little-endian and packed by these, never by casting a struct.
 * All are signal-safe. */
#ifndef TB_BASE_PACK_H
#define TB_BASE_PACK_H

#include <stdint.h>
#include <string.h>

static inline void tb_put16(void *at, uint16_t v)
{
    v = (uint16_t)(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap16(v));
    memcpy(at, &v, sizeof(v));
}

static inline void tb_put32(void *at, uint32_t v)
{
    v = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap32(v);
    memcpy(at, &v, sizeof(v));
}

static inline void tb_put64(void *at, uint64_t v)
{
    v = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap64(v);
    memcpy(at, &v, sizeof(v));
}

static inline uint16_t tb_get16(const void *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof(v));
    return (uint16_t)(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap16(v));
}

static inline uint32_t tb_get32(const void *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof(v));
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap32(v);
}

static inline uint64_t tb_get64(const void *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof(v));
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? v : __builtin_bswap64(v);
}

#endif
