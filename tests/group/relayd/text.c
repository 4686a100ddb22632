/* text.c - logging and copying: NULL and wrong lengths reach the C library from here. */
#include "relayd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t logged;

size_t log_line(const char *topic, const char *line)
{
    logged += strlen(topic) + strlen(line);
    return logged;
}

void text_copy(char *to, const char *from)
{
    strcpy(to, from);
}

/* ---- faults: one helper, and the bug in its callers ---- */

static void log_peer(const struct session *session)
{
    log_line("peer", session->label);
}

static void greet(void)
{
    log_peer(session_open(11));
    served++;
}

static void log_topic(void)
{
    log_line(setting("topic"), "started");
}

static void announce(void)
{
    log_topic();
    served++;
}

static void rename_constant(void)
{
    text_copy((char *)(uintptr_t)setting("name"), "another name");
    served++;
}

static char *joined(const char *a, const char *b, size_t room)
{
    size_t len = strlen(a);
    char *out = malloc(room);
    if (out == NULL)
        die("no memory");
    memcpy(out, a, len);
    memcpy(out + len, b, room * 100 - len);
    return out;
}

static void join_too_long(void)
{
    char *text = joined("a text", setting("name"), (size_t)setting_number("high"));
    puts(text);
}

/* A label too long for its place breaks the stack; the compiler's check sees it. */
static void show_label(const struct session *session)
{
    char label[16];
    size_t n = strlen(session->label);
    for (size_t i = 0; i <= n; i++)
        ((volatile char *)label)[i] = session->label[i];
    log_line("label", label);
}

static void show_long_label(void)
{
    struct session *session = session_open(12);
    session->label = "a label of more bytes than its author ever thought of, and then some";
    if (session->peer != NULL)
        show_label(session->peer);
    show_label(session);
    served++;
}

static int count_words(const char *text)
{
    int n = 0;
    while (*text != '\0')
        n += *text++ == ' ';
    return n;
}

static void count_unset(void)
{
    exit(count_words(setting("motto")));
}

const struct fault text_faults[] = {{"log-peer", NULL, greet},
                                    {"log-topic", NULL, announce},
                                    {"copy-constant", NULL, rename_constant},
                                    {"join-length", NULL, join_too_long},
                                    {"label-smash", NULL, show_long_label},
                                    {"words-null", NULL, count_unset},
                                    {NULL, NULL, NULL}};
