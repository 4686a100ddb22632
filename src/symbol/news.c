/* news.c - see news.h. */
#include "symbol/news.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/pack.h"

enum { AT_KIND = 0, AT_UID = 4, AT_LEN = 8, AT_BUILD_ID = 16 };

/* Room for one descriptor, aligned as the kernel wants it. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

void tb_symbol_news_pack(const struct tb_symbol_news *news, uint8_t out[TB_SYMBOL_NEWS_BYTES])
{
    memset(out, 0, TB_SYMBOL_NEWS_BYTES);
    tb_put32(out + AT_KIND, news->kind);
    tb_put32(out + AT_UID, news->uid);
    tb_put32(out + AT_LEN, news->build_id_len);
    memcpy(out + AT_BUILD_ID, news->build_id, news->build_id_len);
}

int tb_symbol_news_unpack(const uint8_t bytes[TB_SYMBOL_NEWS_BYTES], struct tb_symbol_news *out)
{
    struct tb_symbol_news news = {.kind = tb_get32(bytes + AT_KIND),
                                  .uid = tb_get32(bytes + AT_UID),
                                  .build_id_len = tb_get32(bytes + AT_LEN)};
    if ((news.kind != TB_SYMBOL_NEWS_NEW && news.kind != TB_SYMBOL_NEWS_USED) ||
        news.build_id_len < 2 || news.build_id_len > TB_BUILD_ID_BYTES)
        return -EBADMSG;
    memcpy(news.build_id, bytes + AT_BUILD_ID, news.build_id_len);
    *out = news;
    return 0;
}

int tb_symbol_news_send(int socket_fd, const uint8_t bytes[TB_SYMBOL_NEWS_BYTES], int fd)
{
    uint8_t copy[TB_SYMBOL_NEWS_BYTES];
    union control control = {0};
    struct iovec part = {.iov_base = copy, .iov_len = sizeof(copy)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    memcpy(copy, bytes, sizeof(copy));
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof(control.room);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    }
    ssize_t n;
    while ((n = sendmsg(socket_fd, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    if (n < 0)
        return -errno;
    return n == TB_SYMBOL_NEWS_BYTES ? 0 : -EPROTO;
}

int tb_symbol_news_receive(int socket_fd, uint8_t bytes[TB_SYMBOL_NEWS_BYTES], int *fd_out)
{
    union control control = {0};
    struct iovec part = {.iov_base = bytes, .iov_len = TB_SYMBOL_NEWS_BYTES};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof(int))}; /* for no second one */
    int fd = -1;
    ssize_t n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    if (n != TB_SYMBOL_NEWS_BYTES || (message.msg_flags & MSG_CTRUNC)) {
        tb_fd_close(&fd);
        return n == 0 ? -EPIPE : -EPROTO;
    }
    *fd_out = fd;
    return 0;
}
