/* crc.h - CRC-32C (Castagnoli), the checksum of every record on disk, and CRC-32 (IEEE 802.3),
 * which writers without a fast CRC-32C may use for payloads. Signal-safe.
 *
 * Sources: the polynomial of RFC 3720 appendix B.4, check value of "123456789" 0xe3069283; that of
 * RFC 1952 section 8, check value 0xcbf43926. */
#ifndef TB_BASE_CRC_H
#define TB_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC-32C of len bytes at data, continuing from seed (0 to begin). Uses the processor's
 * instruction where there is one, else a table built into the program. */
uint32_t tb_crc32c(uint32_t seed, const void *data, size_t len);

/* The CRC-32 of len bytes at data, continuing from seed, as crc32() of zlib. Slower. */
uint32_t tb_crc32(uint32_t seed, const void *data, size_t len);

#endif
