/* log_item.h - a message of a log, line by line, and the Rollbar item that it becomes. No I/O. */
#ifndef TB_AGENT_FILES_LOG_ITEM_H
#define TB_AGENT_FILES_LOG_ITEM_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/files/log_rule.h"
#include "base/buf.h"
#include "base/id.h"

enum { TB_LOG_MESSAGE_BYTES = 64 << 10, TB_LOG_MESSAGE_LINES = 200, TB_LOG_TITLE_BYTES = 255 };

struct tb_log_message {
    bool is_open;
    uint64_t at; /* where its first line begins */
    enum tb_log_severity level;
    int64_t time_ms; /* -1: that of reading */
    size_t title_len;
    unsigned n_lines;
    uint8_t uuid[TB_UUID_BYTES]; /* the caller's */
    struct tb_buf text;
};

/* Where the message came from; "" for what is not known. */
struct tb_log_origin {
    const char *host, *path, *service, *environment, *framework;
};

void tb_log_message_init(struct tb_log_message *message);
void tb_log_message_done(struct tb_log_message *message);
/* Begins it with the line that was matched so. */
void tb_log_message_begin(struct tb_log_message *message, uint64_t at,
                          const struct tb_log_match *match);
/* One line more. False when the message can have no more. */
bool tb_log_message_add(struct tb_log_message *message, const char *line, size_t len);
/* The item as JSON, to be freed; NULL when there is no memory. now_ms is for a message without a
 * time. */
char *tb_log_item(const struct tb_log_message *message, const struct tb_log_origin *origin,
                  int64_t now_ms, size_t *len);

#endif
