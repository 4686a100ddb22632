/* transport_internal.h - what the files of the transport share: transport.c has its life and its
 * queue, transport_setup.c the settings of a handle, transport_reply.c what came back. */
#ifndef TB_AGENT_TRANSPORT_INTERNAL_H
#define TB_AGENT_TRANSPORT_INTERNAL_H

#include <curl/curl.h>
#include <stdbool.h>

#include "agent/deliver/transport.h"
#include "agent/deliver/transport_udp.h"

enum { TB_TRANSPORT_KEPT = 6, TB_TRANSPORT_KEPT_BYTES = 64 };

/* One request under way, or an idle handle that keeps its settings. */
struct transfer {
    CURL *easy;
    struct curl_slist *headers; /* those of set */
    CURLU *url;                 /* that of set, taken apart */
    struct {
        char url[1024];
        char head[TB_SINK_HEAD_BYTES];
        size_t head_len;
    } set; /* what easy was told last */
    void *tag;
    struct tb_buf reply;
    size_t head_bytes;
    char kept[TB_TRANSPORT_KEPT][TB_TRANSPORT_KEPT_BYTES]; /* headers of the last head, by which */
    bool has_kept[TB_TRANSPORT_KEPT];
    bool is_cut; /* the reply had more bytes than the limit */
    char error[CURL_ERROR_SIZE];
    char why[CURL_ERROR_SIZE + 128];
    struct transfer *next;
};

/* A datagram that was sent, or was not, until tb_transport_next tells. */
struct datagram {
    void *tag;
    int err;
    char why[TB_UDP_WHY];
    struct datagram *next;
};

struct tb_transport {
    CURLM *multi;
    struct tb_udp *udp;                       /* NULL: none was sent yet */
    struct datagram *sent, **sent_end, *told; /* told: the last one that was */
    struct tb_transport_limits limits;
    char *texts[5]; /* those of limits */
    struct transfer *idle, *busy;
};

/* ---- transport_setup.c ---- */

/* Is there an authority in the file? libcurl would say so with the first request only. */
int tb_transport_check(const struct tb_transport_limits *limits, char why[TB_TRANSPORT_WHY]);
/* A handle with what is the same for every request; NULL: no memory. */
struct transfer *tb_transfer_new(const struct tb_transport *transport);
void tb_transfer_free(struct transfer *transfer);

/* ---- transport_reply.c ---- */

/* What libcurl calls for body and head of a reply. */
size_t tb_transfer_body(char *data, size_t size, size_t n, void *arg);
size_t tb_transfer_head(char *data, size_t size, size_t n, void *arg);
/* *reply borrows from transfer. */
void tb_transfer_reply(const struct tb_transport *transport, struct transfer *transfer,
                       CURLcode code, struct tb_sink_reply *reply);

#endif
