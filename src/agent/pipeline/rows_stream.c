/* rows_stream.c - see rows.h: the name of a log stream. CloudWatch takes 1 to 512 characters, none
 * of them ':' or '*'; the outbox takes 127 bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/pipeline/rows.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crc.h"
#include "base/utf8.h"

enum { NAME_MAX_BYTES = 8192, SUM_LEN = 9 };

static const char DEFAULT[] = "{host}/{service}";

static void add_date(struct tb_buf *out, uint64_t now_ns)
{
    char text[16] = "";
    struct tm utc;
    time_t seconds = (time_t)(now_ns / TB_NS_PER_S);
    if (gmtime_r(&seconds, &utc) != NULL)
        (void)strftime(text, sizeof(text), "%Y-%m-%d", &utc);
    tb_buf_adds(out, text);
}

static void add_word(struct tb_buf *out, const char *text)
{
    tb_buf_adds(out, text != NULL && text[0] != '\0' ? text : "unknown");
}

/* Whether name is one that can be filled in. */
static bool add_value(struct tb_buf *out, const char *name, size_t len,
                      const struct tb_rows_stream *of)
{
    const struct {
        const char *name, *value;
    } words[] = {{"host", of->host},
                 {"service", of->service},
                 {"environment", of->environment},
                 {"version", of->version}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].name) == len && memcmp(words[i].name, name, len) == 0) {
            add_word(out, words[i].value);
            return true;
        }
    }
    if (len == 3 && memcmp(name, "pid", len) == 0) {
        if (of->pid > 0)
            tb_buf_addf(out, "%" PRId64, of->pid);
        else
            add_word(out, "");
        return true;
    }
    if (len == 4 && memcmp(name, "date", len) == 0) {
        add_date(out, of->now_ns);
        return true;
    }
    return false;
}

static void fill(struct tb_buf *out, const char *template, const struct tb_rows_stream *of)
{
    for (const char *c = template; *c != '\0';) {
        const char *end = *c == '{' ? strchr(c, '}') : NULL;
        if (end != NULL && add_value(out, c + 1, (size_t)(end - c - 1), of)) {
            c = end + 1;
            continue;
        }
        tb_buf_add(out, c, 1);
        c++;
    }
}

/* Control characters of C0 and C1, and what stands for something in names of streams. */
static size_t clean(char *text, size_t len)
{
    size_t to = 0;
    for (size_t from = 0; from < len;) {
        size_t n = tb_utf8_len(text + from, len - from);
        unsigned char first = (unsigned char)text[from];
        bool is_bad = n == 0 || first < ' ' || first == 0x7f || first == ':' || first == '*' ||
                      (n == 2 && first == 0xc2 && (unsigned char)text[from + 1] < 0xa0);
        if (is_bad)
            text[to++] = '-';
        else
            memmove(text + to, text + from, n);
        to += is_bad ? 0 : n;
        from += n > 0 ? n : 1;
    }
    text[to] = '\0';
    return to;
}

void tb_rows_stream(const char *template, const struct tb_rows_stream *of, char out[TB_ROWS_STREAM])
{
    struct tb_buf name;
    tb_buf_init(&name, NAME_MAX_BYTES);
    fill(&name, template != NULL && template[0] != '\0' ? template : DEFAULT, of);
    size_t len = name.data != NULL ? clean(name.data, name.len) : 0;
    const char *text = len > 0 ? name.data : "towbar";
    if (len < TB_ROWS_STREAM) {
        (void)snprintf(out, TB_ROWS_STREAM, "%s", text);
    } else {
        /* Two that differ behind the cut stay two. */
        size_t kept = tb_utf8_cut(text, len, TB_ROWS_STREAM - 1 - SUM_LEN);
        (void)snprintf(out, TB_ROWS_STREAM, "%.*s-%08" PRIx32, (int)kept, text,
                       tb_crc32c(0, text, len));
    }
    tb_buf_done(&name);
}
