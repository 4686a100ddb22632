/* place.c - see place.h. */
#include "agent/files/place.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"

#define HEAD "towbar files 1\n"

enum { ID_HEX = 33, PATH_MAX_BYTES = 4096, END_BYTES = 13 /* "end 01234567\n" */ };

uint32_t tb_place_source(char kind, const char *path)
{
    return tb_crc32c(tb_crc32c(0, &kind, 1), path, strlen(path));
}

/* ---- writing ---- */

static void write_path(const char *path, struct tb_buf *out)
{
    for (const char *c = path; *c != '\0'; c++) {
        if (*c <= ' ' || *c >= 0x7f || *c == '%')
            tb_buf_addf(out, "%%%02x", (unsigned char)*c);
        else
            tb_buf_add(out, c, 1);
    }
}

static void write_place(const struct tb_place *p, struct tb_buf *out)
{
    char id[ID_HEX];
    tb_hex(p->id, sizeof(p->id), id);
    tb_buf_addf(out,
                "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %d %016" PRIx64 " %08" PRIx32
                " %" PRIu64 " ",
                id, p->dev, p->ino, p->born_ns, p->offset, p->skips, p->check, p->source,
                p->seen_s);
    write_path(p->path, out);
    tb_buf_adds(out, "\n");
}

void tb_places_write(const struct tb_places *places, struct tb_buf *out)
{
    tb_buf_adds(out, HEAD);
    for (size_t i = 0; i < places->n_watched; i++)
        tb_buf_addf(out, "watched %08" PRIx32 "\n", places->watched[i]);
    for (size_t i = 0; i < places->n; i++)
        write_place(&places->list[i], out);
    tb_buf_addf(out, "end %08" PRIx32 "\n", tb_crc32c(0, tb_buf_str(out), out->len));
}

/* ---- reading ---- */

/* The word up to the next blank, which becomes NUL; NULL when there is none. */
static char *next_word(char **at)
{
    char *word = *at;
    char *blank = word != NULL ? strchr(word, ' ') : NULL;
    if (blank == NULL)
        return NULL;
    *blank = '\0';
    *at = blank + 1;
    return word;
}

static bool read_number(const char *word, int base, uint64_t *out)
{
    char *end;
    if (word == NULL || *word == '\0' || *word == '-' || *word == '+' || *word == ' ')
        return false;
    errno = 0;
    *out = strtoull(word, &end, base);
    return errno == 0 && *end == '\0';
}

static bool read_path(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; to++) {
        unsigned char byte = (unsigned char)*from;
        if (byte == '%' &&
            (from[1] == '\0' || tb_unhex((const char[]){from[1], from[2], '\0'}, &byte, 1) != 0 ||
             byte == 0))
            return false;
        from += *from == '%' ? 3 : 1;
        *to = (char)byte;
    }
    *to = '\0';
    return to > text && to - text < PATH_MAX_BYTES;
}

static int read_place(char *line, struct tb_place *out)
{
    uint64_t skips;
    uint64_t source;
    const char *id = next_word(&line);
    memset(out, 0, sizeof(*out));
    if (id == NULL || strlen(id) != ID_HEX - 1 || tb_unhex(id, out->id, sizeof(out->id)) != 0 ||
        !read_number(next_word(&line), 10, &out->dev) ||
        !read_number(next_word(&line), 10, &out->ino) ||
        !read_number(next_word(&line), 10, &out->born_ns) ||
        !read_number(next_word(&line), 10, &out->offset) ||
        !read_number(next_word(&line), 10, &skips) || skips > 1 ||
        !read_number(next_word(&line), 16, &out->check) ||
        !read_number(next_word(&line), 16, &source) || source > UINT32_MAX ||
        !read_number(next_word(&line), 10, &out->seen_s) || !read_path(line) ||
        out->offset > INT64_MAX)
        return -EBADMSG;
    out->skips = skips == 1;
    out->source = (uint32_t)source;
    out->path = strdup(line);
    return out->path != NULL ? 0 : -ENOMEM;
}

static int read_line(char *line, struct tb_places *out)
{
    uint64_t number;
    if (strncmp(line, "watched ", 8) != 0) {
        if (out->n == TB_PLACES_MAX)
            return -EBADMSG;
        int err = read_place(line, &out->list[out->n]);
        out->n += err == 0;
        return err;
    }
    if (!read_number(line + 8, 16, &number) || number > UINT32_MAX ||
        out->n_watched == TB_PLACES_WATCHED_MAX)
        return -EBADMSG;
    out->watched[out->n_watched++] = (uint32_t)number;
    return 0;
}

/* Is the last line "end CRC", right for what is before it? Its beginning, or NULL. */
static const char *find_end(const char *text, size_t len)
{
    char line[END_BYTES + 1];
    if (len < strlen(HEAD) + END_BYTES || memcmp(text, HEAD, strlen(HEAD)) != 0)
        return NULL;
    const char *end = text + len - END_BYTES;
    snprintf(line, sizeof(line), "end %08" PRIx32 "\n", tb_crc32c(0, text, len - END_BYTES));
    return end[-1] == '\n' && memcmp(end, line, END_BYTES) == 0 ? end : NULL;
}

int tb_places_read(const char *text, size_t len, struct tb_places *out)
{
    int err = 0;
    memset(out, 0, sizeof(*out));
    const char *end = find_end(text, len);
    if (end == NULL || memchr(text, '\0', len) != NULL)
        return -EBADMSG;
    out->list = calloc(TB_PLACES_MAX, sizeof(*out->list));
    out->watched = calloc(TB_PLACES_WATCHED_MAX, sizeof(*out->watched));
    char *copy = strndup(text, (size_t)(end - text));
    if (out->list == NULL || out->watched == NULL || copy == NULL)
        err = -ENOMEM;
    char *line = copy != NULL ? copy + strlen(HEAD) : NULL;
    while (!err && *line != '\0') {
        char *newline = strchr(line, '\n'); /* there is one: find_end saw the last */
        *newline = '\0';
        err = read_line(line, out);
        line = newline + 1;
    }
    free(copy);
    return err;
}

void tb_places_done(struct tb_places *places)
{
    for (size_t i = 0; i < places->n; i++)
        free(places->list[i].path);
    free(places->list);
    free(places->watched);
    memset(places, 0, sizeof(*places));
}

/* ---- uuid ---- */

int tb_place_uuid(const uint8_t id[16], uint64_t offset, const void *text, size_t len,
                  uint8_t out[TB_UUID_BYTES])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    uint8_t at[8];
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(offset >> (56 - 8 * i));
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool is_made = hash != NULL && EVP_DigestInit_ex(hash, EVP_sha1(), NULL) == 1 &&
                   EVP_DigestUpdate(hash, id, 16) == 1 && EVP_DigestUpdate(hash, at, 8) == 1 &&
                   EVP_DigestUpdate(hash, text, len) == 1 &&
                   EVP_DigestFinal_ex(hash, digest, &digest_len) == 1;
    EVP_MD_CTX_free(hash);
    if (!is_made)
        return -ENOMEM;
    memcpy(out, digest, TB_UUID_BYTES);
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x50);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
    return 0;
}
