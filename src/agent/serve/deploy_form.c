/* deploy_form.c - see deploy_form.h. Sources: the URL standard for forms, RFC 7578 for parts. */
#include "agent/serve/deploy_form.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "agent/serve/form.h"
#include "base/id.h"
#include "item/doc.h"
#include "store/deploys.h"

enum { BOUNDARY_MAX = 70, NAME_MAX_BYTES = 32, HEAD_MAX_BYTES = 1024 };

/* Where the value of a name goes, or NULL for a name that is not known. */
static char *room_of(struct tb_deploy_form *form, const char *name, size_t *cap)
{
    const struct {
        const char *name;
        char *room;
    } rooms[] = {{"access_token", form->token},
                 {"environment", form->environment},
                 {"revision", form->revision},
                 {"head_long", form->revision},
                 {"status", form->status},
                 {"local_username", form->local_username},
                 {"rollbar_username", form->rollbar_username},
                 {"rollbar_name", form->rollbar_username}};
    *cap = TB_DEPLOY_TEXT;
    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++)
        if (strcmp(name, rooms[i].name) == 0)
            return rooms[i].room;
    *cap = TB_DEPLOY_COMMENT;
    return strcmp(name, "comment") == 0 ? form->comment : NULL;
}

static const char *const NAMES[] = {"access_token",     "environment",  "revision",
                                    "head_long",        "status",       "local_username",
                                    "rollbar_username", "rollbar_name", "comment"};
enum { N_NAMES = sizeof(NAMES) / sizeof(NAMES[0]) };

/* The static spelling of a known name, or NULL. */
static const char *known(const char *name, size_t len)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (strlen(NAMES[i]) == len && memcmp(NAMES[i], name, len) == 0)
            return NAMES[i];
    return NULL;
}

/* Takes a value; one that is empty does not wipe out an earlier one (revision and head_long). */
static void put(struct tb_deploy_form *form, const char *name, const char *value, size_t len)
{
    size_t cap;
    char *room = room_of(form, name, &cap);
    const char *nul = memchr(value, '\0', len);
    if (nul != NULL)
        len = (size_t)(nul - value);
    if (room == NULL || len == 0)
        return;
    if (len >= cap) {
        form->too_long = name;
        return;
    }
    memcpy(room, value, len);
    room[len] = '\0';
}

/* ---- JSON ---- */

static int read_json(const char *body, size_t len, struct tb_deploy_form *out)
{
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    struct tb_buf text;
    int err = tb_doc_new(body, len, &doc, why);
    if (err != 0)
        return err == -ENOMEM ? err : -EBADMSG;
    tb_buf_init(&text, TB_DEPLOY_BODY_MAX);
    for (size_t i = 0; i < N_NAMES && err == 0; i++) {
        int node = tb_doc_member(doc, 0, NAMES[i]);
        tb_buf_reset(&text);
        if (node >= 0 && tb_doc_at(doc, node)->type == TB_DOC_STRING)
            tb_doc_string(doc, node, &text);
        else if (node >= 0 && tb_doc_at(doc, node)->type == TB_DOC_NUMBER) /* a short commit */
            tb_buf_add(&text, body + tb_doc_at(doc, node)->at, tb_doc_at(doc, node)->len);
        err = text.err;
        put(out, NAMES[i], tb_buf_str(&text), text.len);
    }
    tb_buf_done(&text);
    tb_doc_free(doc);
    return err == -EMSGSIZE ? -EBADMSG : err;
}

/* ---- forms ---- */

/* Decodes into the same or shorter room; returns the length. */
static size_t decode(const char *text, size_t len, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)(text[i] == '+' ? ' ' : text[i]);
        char digits[3] = {0};
        if (text[i] == '%' && len - i > 2) {
            memcpy(digits, text + i + 1, 2);
            if (tb_unhex(digits, &byte, 1) == 0)
                i += 2;
        }
        out[used++] = (char)byte;
    }
    return used;
}

static int read_pairs(const char *body, size_t len, struct tb_deploy_form *out)
{
    struct tb_buf value;
    const char *end = body + len;
    int n_known = 0;
    tb_buf_init(&value, TB_DEPLOY_BODY_MAX);
    for (const char *at = body; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const char *stop = next != NULL ? next : end;
        const char *equals = memchr(at, '=', (size_t)(stop - at));
        const char *name = equals != NULL ? known(at, (size_t)(equals - at)) : NULL;
        if (name != NULL) {
            n_known++;
            tb_buf_reset(&value);
            tb_buf_add(&value, equals + 1, (size_t)(stop - equals - 1));
            if (value.err == 0 && value.len > 0)
                put(out, name, value.data, decode(value.data, value.len, value.data));
        }
        at = stop + 1;
    }
    int err = value.err == -ENOMEM ? -ENOMEM : n_known > 0 ? 0 : -EBADMSG;
    tb_buf_done(&value);
    return err;
}

/* ---- forms in parts ---- */

/* "--BOUNDARY" of the Content-Type; "" where there is none. */
static void read_boundary(const char *type, char out[BOUNDARY_MAX + 3])
{
    const char *at = strcasestr(type, "boundary=");
    out[0] = '\0';
    if (at == NULL)
        return;
    at += strlen("boundary=");
    size_t len = *at == '"' ? strcspn(at + 1, "\"") : strcspn(at, "; \t");
    at += *at == '"';
    if (len > 0 && len <= BOUNDARY_MAX)
        snprintf(out, BOUNDARY_MAX + 3, "--%.*s", (int)len, at);
}

/* The known name in the head of a part, or NULL. */
static const char *part_name(const char *head, size_t len)
{
    char text[HEAD_MAX_BYTES];
    if (len >= sizeof(text))
        return NULL;
    memcpy(text, head, len);
    text[len] = '\0';
    const char *at = strcasestr(text, "content-disposition:");
    for (at = at != NULL ? strcasestr(at, "name=") : NULL; at != NULL;
         at = strcasestr(at + 1, "name=")) {
        const char *name = at + strlen("name=");
        if (at[-1] != ' ' && at[-1] != ';') /* filename= */
            continue;
        size_t n = *name == '"' ? strcspn(name + 1, "\"") : strcspn(name, "; \t\r\n");
        return known(name + (*name == '"'), n);
    }
    return NULL;
}

static int read_parts(const char *body, size_t len, const char *type, struct tb_deploy_form *out)
{
    char boundary[BOUNDARY_MAX + 3];
    const char *end = body + len;
    int n_known = 0;
    read_boundary(type, boundary);
    size_t n = strlen(boundary);
    const char *at = n > 0 ? memmem(body, len, boundary, n) : NULL;
    while (at != NULL) {
        const char *head = at + n;
        const char *next = memmem(head, (size_t)(end - head), boundary, n);
        const char *blank = memmem(head, (size_t)(end - head), "\r\n\r\n", 4);
        if (next == NULL || blank == NULL)
            break;
        const char *value = blank + 4;
        const char *name = part_name(head, (size_t)(blank - head));
        if (name != NULL && value + 2 <= next) { /* a line end stands before the boundary */
            n_known++;
            put(out, name, value, (size_t)(next - 2 - value));
        }
        at = next;
    }
    return n_known > 0 ? 0 : -EBADMSG;
}

int tb_deploy_form_read(const char *body, size_t len, const char *type, struct tb_deploy_form *out)
{
    memset(out, 0, sizeof(*out));
    if (tb_form_begins_object(body, len))
        return read_json(body, len, out);
    if (type != NULL && strncasecmp(type, "multipart/form-data", 19) == 0)
        return read_parts(body, len, type, out);
    return read_pairs(body, len, out);
}

/* ---- is it one? ---- */

int tb_deploy_form_check(struct tb_deploy_form *form, int is_update,
                         char message[TB_DEPLOY_MESSAGE])
{
    message[0] = '\0';
    int has_all = is_update || (form->environment[0] != '\0' && form->revision[0] != '\0');
    if (form->too_long != NULL)
        snprintf(
            message, TB_DEPLOY_MESSAGE, "'%s' is too long: it may have %d bytes.", form->too_long,
            strcmp(form->too_long, "comment") == 0 ? TB_DEPLOY_COMMENT - 1 : TB_DEPLOY_TEXT - 1);
    else if (!has_all)
        snprintf(message, TB_DEPLOY_MESSAGE, "%s%s%s",
                 form->environment[0] == '\0' ? "Missing 'environment' key." : "",
                 form->environment[0] == '\0' && form->revision[0] == '\0' ? " " : "",
                 form->revision[0] == '\0' ? "Missing 'revision' or 'head_long' key." : "");
    else if (is_update && form->status[0] == '\0')
        snprintf(message, TB_DEPLOY_MESSAGE, "Missing 'status' key.");
    else if (form->status[0] != '\0' && !tb_deploy_is_status(form->status))
        snprintf(message, TB_DEPLOY_MESSAGE,
                 "Invalid 'status' key: it is started, succeeded, failed or timed_out.");
    if (message[0] != '\0')
        return -EINVAL;
    if (form->status[0] == '\0')
        snprintf(form->status, sizeof(form->status), "succeeded");
    return 0;
}
