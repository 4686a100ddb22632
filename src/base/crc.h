/* crc.h - CRC-32C (Castagnoli), the checksum of every record on disk. Signal-safe.
 *
 * Source: the polynomial of RFC 3720 appendix B.4; check value of "123456789" is 0xe3069283. */
#ifndef TB_BASE_CRC_H
#define TB_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC-32C of len bytes at data, continuing from seed (0 to begin). Uses the processor's
 * instruction where there is one, else a table built into the program. */
uint32_t tb_crc32c(uint32_t seed, const void *data, size_t len);

#endif
