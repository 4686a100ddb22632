/* news.h - what the worker says of indexes: one is new, with its bytes as a sealed file of memory;
 * or one of the folder was used. An answer to TB_SYMBOL_NEWS (worker.h).
 *
 *    0 u32 kind   4 u32 uid   8 u32 build ID's length   12 u32 zero   16 u8[32] build ID */
#ifndef TB_SYMBOL_NEWS_H
#define TB_SYMBOL_NEWS_H

#include <stdint.h>

#include "record/process.h"

enum tb_symbol_news_kind {
    TB_SYMBOL_NEWS_NEW = 1, /* a descriptor comes along */
    TB_SYMBOL_NEWS_USED
};
enum { TB_SYMBOL_NEWS_BYTES = 16 + TB_BUILD_ID_BYTES };

struct tb_symbol_news {
    uint32_t kind, uid, build_id_len;
    uint8_t build_id[TB_BUILD_ID_BYTES];
};

void tb_symbol_news_pack(const struct tb_symbol_news *news, uint8_t out[TB_SYMBOL_NEWS_BYTES]);
/* 0 or -EBADMSG. */
int tb_symbol_news_unpack(const uint8_t bytes[TB_SYMBOL_NEWS_BYTES], struct tb_symbol_news *out);
/* Sends bytes with a descriptor (-1: none). 0 or a negative errno. */
int tb_symbol_news_send(int socket_fd, const uint8_t bytes[TB_SYMBOL_NEWS_BYTES], int fd);
/* Receives them, which wait already; *fd_out is -1 when none came, and the caller's. 0; -EAGAIN;
 * -EPIPE at the end of the stream; -EPROTO when it is something else. */
int tb_symbol_news_receive(int socket_fd, uint8_t bytes[TB_SYMBOL_NEWS_BYTES], int *fd_out);

#endif
