/* problems.c - what Rollbar refuses in an item, as a table, in its words. See read.h.
 *
 * Rollbar takes keys that it does not know; of those it knows it checks type and length. Where a
 * text of the real service is known it is used word for word, else the pattern of the others. */
#include <stdio.h>
#include <string.h>

#include "item/doc_impl.h"
#include "item/read.h"

enum type_bit {
    BIT_BOOL = 1 << TB_DOC_BOOL,
    BIT_NUMBER = 1 << TB_DOC_NUMBER,
    BIT_STRING = 1 << TB_DOC_STRING,
    BIT_ARRAY = 1 << TB_DOC_ARRAY,
    BIT_OBJECT = 1 << TB_DOC_OBJECT,
};

struct field;

/* What a value must be like. */
struct shape {
    const char *type; /* as the refusal names it */
    int types;        /* enum type_bit */
    bool null_too;
    bool says_null; /* the refusal says that a null is required, as Rollbar does for these */
    bool integer;
    unsigned least, most;        /* characters or elements; 0: any */
    const char *const *words;    /* the only ones, ends with NULL */
    const struct field *fields;  /* of an object, ends with a key of NULL */
    const struct shape *element; /* of an array */
};

struct field {
    const char *key;
    const struct shape *shape;
    bool required;
};

#define STRING .type = "string", .types = BIT_STRING
#define OBJECT .type = "object", .types = BIT_OBJECT
#define ARRAY .type = "array", .types = BIT_ARRAY

static const struct shape string = {STRING};
static const struct shape string_or_null = {STRING, .null_too = true};
static const struct shape string40 = {STRING, .most = 40};
static const struct shape string40_or_null = {STRING, .most = 40, .null_too = true};
static const struct shape string255_or_null = {STRING, .most = 255, .null_too = true};
static const struct shape name255 = {STRING, .least = 1, .most = 255};
static const struct shape uuid = {STRING, .least = 1, .most = 36};
static const struct shape uuid_or_null = {STRING, .most = 36, .null_too = true};
static const struct shape fingerprint = {STRING, .least = 1};
static const struct shape context255 = {STRING, .most = 255, .says_null = true};
static const struct shape message_text = {STRING, .says_null = true, .null_too = true};
static const struct shape integer = {.type = "integer", .types = BIT_NUMBER, .integer = true};
static const struct shape integer_or_null = {
    .type = "integer", .types = BIT_NUMBER, .integer = true, .null_too = true};
/* rollbar-java sends seconds with a fraction: 1.795679383447E9. */
static const struct shape seconds = {.type = "integer", .types = BIT_NUMBER};
static const struct shape boolean = {.type = "boolean", .types = BIT_BOOL};
static const struct shape object = {OBJECT};
static const struct shape object_or_null = {OBJECT, .null_too = true};
static const struct shape array_or_null = {ARRAY, .null_too = true};
static const struct shape strings_or_null = {ARRAY, .null_too = true, .element = &string};
static const struct shape lines = {ARRAY, .null_too = true, .element = &string_or_null};
static const struct shape string_or_array = {
    .type = "string or array", .types = BIT_STRING | BIT_ARRAY, .null_too = true};
static const char *const level_words[] = {"critical", "error", "warning", "info", "debug", NULL};
static const struct shape level = {STRING, .words = level_words};

static const struct field code_context_fields[] = {
    {"pre", &lines, false}, {"post", &lines, false}, {0}};
static const struct shape code_context = {OBJECT, .null_too = true, .fields = code_context_fields};

static const struct field frame_fields[] = {
    {"filename", &string, true},
    {"lineno", &integer_or_null, false},
    {"colno", &integer_or_null, false},
    {"method", &string_or_null, false},
    {"code", &string_or_null, false},
    {"class_name", &string_or_null, false},
    {"context", &code_context, false},
    {"argspec", &strings_or_null, false},
    {"varargspec", &string_or_array, false},
    {"keywordspec", &string_or_array, false},
    {"locals", &object_or_null, false},
    {"args", &array_or_null, false},
    {"kwargs", &object_or_null, false},
    {0},
};
static const struct shape frame = {OBJECT, .fields = frame_fields};
static const struct shape frames = {ARRAY, .element = &frame};

static const struct field exception_fields[] = {
    {"class", &string, true},
    {"message", &message_text, false},
    {"description", &string_or_null, false},
    {0},
};
static const struct shape exception = {OBJECT, .fields = exception_fields};

static const struct field trace_fields[] = {
    {"frames", &frames, true}, {"exception", &exception, true}, {0}};
static const struct shape trace = {OBJECT, .fields = trace_fields};
static const struct shape chain = {ARRAY, .least = 1, .element = &trace};

static const struct field message_fields[] = {{"body", &string, true}, {0}};
static const struct shape message = {OBJECT, .fields = message_fields};
static const struct field crash_fields[] = {{"raw", &string, true}, {0}};
static const struct shape crash_report = {OBJECT, .fields = crash_fields};

static const struct field event_fields[] = {
    {"level", &string, true},
    {"type", &string, true},
    {"source", &string, true},
    {"timestamp_ms", &integer, true},
    {"body", &object, true},
    {"uuid", &uuid_or_null, false},
    {0},
};
static const struct shape event = {OBJECT, .fields = event_fields};
static const struct shape telemetry = {ARRAY, .element = &event};
static const struct shape threads = {ARRAY, .null_too = true, .element = &object};

static const struct field body_fields[] = {
    {"trace", &trace, false},
    {"trace_chain", &chain, false},
    {"message", &message, false},
    {"crash_report", &crash_report, false},
    {"telemetry", &telemetry, false},
    {"threads", &threads, false},
    {0},
};
static const struct shape body_shape = {OBJECT, .fields = body_fields};

static const struct field request_fields[] = {
    {"url", &string_or_null, false},     {"method", &string_or_null, false},
    {"headers", &object_or_null, false}, {"params", &object_or_null, false},
    {"GET", &object_or_null, false},     {"query_string", &string_or_null, false},
    {"user_ip", &string_or_null, false}, {0},
};
static const struct shape request = {OBJECT, .null_too = true, .fields = request_fields};

static const struct field person_fields[] = {
    {"id", &string40, true},
    {"username", &string255_or_null, false},
    {"email", &string255_or_null, false},
    {0},
};
static const struct shape person = {OBJECT, .null_too = true, .fields = person_fields};

static const struct field server_fields[] = {
    {"host", &string255_or_null, false},
    {"root", &string_or_null, false},
    {"branch", &string_or_null, false},
    {"code_version", &string_or_null, false},
    {"pid", &integer_or_null, false},
    {"argv", &lines, false},
    {0},
};
static const struct shape server = {OBJECT, .null_too = true, .fields = server_fields};

static const struct field notifier_fields[] = {
    {"name", &string_or_null, false}, {"version", &string_or_null, false}, {0}};
static const struct shape notifier = {OBJECT, .null_too = true, .fields = notifier_fields};

static const struct field attribute_fields[] = {
    {"key", &string, true}, {"value", &string, true}, {0}};
static const struct shape attribute = {OBJECT, .fields = attribute_fields};
static const struct shape attributes = {ARRAY, .element = &attribute};

static const struct field data_fields[] = {
    {"environment", &name255, true},
    {"level", &level, false},
    {"timestamp", &seconds, false},
    {"code_version", &string40_or_null, false},
    {"platform", &string255_or_null, false},
    {"language", &string255_or_null, false},
    {"framework", &string255_or_null, false},
    {"context", &context255, false},
    {"request", &request, false},
    {"person", &person, false},
    {"server", &server, false},
    {"client", &object_or_null, false},
    {"custom", &object_or_null, false},
    {"fingerprint", &fingerprint, false},
    {"title", &name255, false},
    {"uuid", &uuid, false},
    {"notifier", &notifier, false},
    {"attributes", &attributes, false},
    {"project_package_paths", &strings_or_null, false},
    {"failsafe", &boolean, false},
    {"internal", &boolean, false},
    {0},
};
static const struct shape data_shape = {OBJECT, .fields = data_fields};

/* ---- the check ---- */

/* Where a value stands; printed only when something is wrong with it. */
struct place {
    const struct place *outer;
    const char *key; /* NULL: an element */
    int index;
};

struct check {
    const struct tb_doc *doc;
    char (*out)[TB_ITEM_PROBLEM];
    size_t max, n;
};

static void print_place(const struct place *place, char *out, size_t cap)
{
    if (place->outer)
        print_place(place->outer, out, cap);
    size_t used = strlen(out);
    const char *dot = used > 0 ? "." : "";
    if (place->key)
        (void)snprintf(out + used, cap - used, "%s%s", dot, place->key);
    else
        (void)snprintf(out + used, cap - used, "%s%d", dot, place->index);
}

static void complain(struct check *c, const struct place *place, const char *what)
{
    if (c->n < c->max) {
        char *out = c->out[c->n];
        out[0] = '\0';
        if (place)
            print_place(place, out, TB_ITEM_PROBLEM);
        size_t used = strlen(out);
        (void)snprintf(out + used, TB_ITEM_PROBLEM - used, "%s", what);
    }
    c->n++;
}

static bool count_characters(void *arg, const char *utf8, size_t n)
{
    size_t *count = arg;
    for (size_t i = 0; i < n; i++)
        *count += ((unsigned char)utf8[i] & 0xc0) != 0x80;
    return true;
}

/* Characters of a string, as Rollbar counts them. */
static size_t characters(const struct tb_doc *doc, const struct tb_doc_node *node)
{
    size_t count = 0;
    tb_doc_decode(doc->text + node->at + 1, node->len - 2, count_characters, &count);
    return count;
}

static void check_string(struct check *c, const struct shape *shape, int node,
                         const struct place *place)
{
    const struct tb_doc_node *n = tb_doc_at(c->doc, node);
    char what[128];
    size_t len = shape->least > 0 || shape->most > 0 ? characters(c->doc, n) : 0;
    if (shape->most > 0 && len > shape->most) {
        (void)snprintf(what, sizeof(what), " should be at most %u characters.", shape->most);
        complain(c, place, what);
    }
    if (len < shape->least) {
        (void)snprintf(what, sizeof(what), " should be at least %u characters.", shape->least);
        complain(c, place, what);
    }
    if (!shape->words)
        return;
    (void)tb_doc_copy(c->doc, node, what, sizeof(what));
    for (const char *const *word = shape->words; *word; word++) {
        if (strcmp(*word, what) == 0)
            return;
    }
    complain(c, place, " should be one of critical, error, warning, info, debug.");
}

static void check_wrong_type(struct check *c, const struct shape *shape,
                             const struct tb_doc_node *n, const struct place *place)
{
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};
    char what[128];
    if (shape->says_null)
        (void)snprintf(what, sizeof(what), " %s value found, but a null is required.",
                       names[n->type]);
    else
        (void)snprintf(what, sizeof(what), " should be %s.", shape->type);
    complain(c, place, what);
}

static bool is_integer(const struct tb_doc *doc, const struct tb_doc_node *n)
{
    for (size_t i = 0; i < n->len; i++) {
        if (strchr(".eE", doc->text[n->at + i]))
            return false;
    }
    return true;
}

static void check_value(struct check *c, const struct shape *shape, int node,
                        const struct place *place);

enum { FIELDS_MAX = 32 }; /* of one object in the tables above */

static int field_of(const struct shape *shape, const char *key, size_t len)
{
    for (int k = 0; k < FIELDS_MAX && shape->fields[k].key; k++) {
        const char *name = shape->fields[k].key;
        if (name[0] == key[0] && strncmp(name, key, len) == 0 && name[len] == '\0')
            return k;
    }
    return -1;
}

/* The member of each field, the last one of its name, or -1: one walk over the members, of which
 * most objects have fewer than fields. False when a key has an escape in it. */
static bool find_fields(const struct tb_doc *doc, const struct shape *shape, int node,
                        int members[FIELDS_MAX])
{
    for (int k = 0; k < FIELDS_MAX; k++)
        members[k] = -1;
    for (int i = doc->nodes[node].first; i >= 0; i = doc->nodes[i].next) {
        const struct tb_doc_node *n = &doc->nodes[i];
        const char *key = doc->text + n->key_at;
        if (memchr(key, '\\', n->key_len))
            return false;
        int k = n->key_len > 0 ? field_of(shape, key, n->key_len) : -1;
        if (k >= 0)
            members[k] = i;
    }
    return true;
}

static void check_object(struct check *c, const struct shape *shape, int node,
                         const struct place *place)
{
    int members[FIELDS_MAX];
    if (!shape->fields)
        return;
    bool is_plain = find_fields(c->doc, shape, node, members);
    for (int k = 0; k < FIELDS_MAX && shape->fields[k].key; k++) {
        const struct field *field = &shape->fields[k];
        int member = is_plain ? members[k] : tb_doc_member(c->doc, node, field->key);
        struct place inner = {.outer = place, .key = field->key};
        if (member >= 0)
            check_value(c, field->shape, member, &inner);
        else if (field->required)
            complain(c, &inner, " is missing and it is required.");
    }
}

static void check_array(struct check *c, const struct shape *shape, int node,
                        const struct place *place)
{
    const struct tb_doc_node *n = tb_doc_at(c->doc, node);
    if ((unsigned)n->n_members < shape->least)
        complain(c, place, " should have at least 1 element.");
    struct place inner = {.outer = place};
    for (int i = n->first; shape->element && i >= 0; i = tb_doc_at(c->doc, i)->next) {
        check_value(c, shape->element, i, &inner);
        inner.index++;
    }
}

/* Goes as deep as the table, not as the item. */
static void check_value(struct check *c, const struct shape *shape, int node,
                        const struct place *place)
{
    const struct tb_doc_node *n = tb_doc_at(c->doc, node);
    if (shape->null_too && n->type == TB_DOC_NULL)
        return;
    /* PHP writes an empty object as []. */
    bool empty_object = shape->types == BIT_OBJECT && n->type == TB_DOC_ARRAY &&
                        n->n_members == 0 && !(shape->fields && shape->fields[0].required);
    if (empty_object)
        return;
    if (!(shape->types & 1 << n->type) || (shape->integer && !is_integer(c->doc, n))) {
        check_wrong_type(c, shape, n, place);
        return;
    }
    if (n->type == TB_DOC_STRING)
        check_string(c, shape, node, place);
    if (n->type == TB_DOC_OBJECT)
        check_object(c, shape, node, place);
    if (n->type == TB_DOC_ARRAY)
        check_array(c, shape, node, place);
}

static void check_body(struct check *c, int body, const struct place *place)
{
    static const char *const kinds[] = {"trace", "trace_chain", "message", "crash_report"};
    int n_kinds = 0;
    if (tb_doc_at(c->doc, body)->type == TB_DOC_OBJECT) {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            n_kinds += tb_doc_member(c->doc, body, kinds[i]) >= 0;
        if (n_kinds != 1)
            complain(c, NULL,
                     "data.body must have either a 'trace', 'trace_chain', 'message' or "
                     "'crash_report' property, (but not more than one).");
    }
    check_value(c, &body_shape, body, place);
}

size_t tb_item_problems(const struct tb_doc *doc, int data, char (*out)[TB_ITEM_PROBLEM],
                        size_t max)
{
    struct check c = {.doc = doc, .out = out, .max = max};
    struct place data_place = {.key = "data"};
    struct place body_place = {.outer = &data_place, .key = "body"};
    const struct tb_doc_node *n = tb_doc_at(doc, data);
    if (!n && tb_doc_at(doc, 0)->type != TB_DOC_OBJECT) {
        complain(&c, NULL, "payload should be object.");
        return c.n;
    }
    if (!n) {
        bool has_data = tb_doc_member(doc, 0, "data") >= 0;
        complain(&c, &data_place,
                 has_data ? " should be object." : " is missing and it is required.");
        return c.n;
    }
    int body = tb_doc_member(doc, data, "body");
    if (body < 0 || tb_doc_at(doc, body)->type == TB_DOC_NULL)
        complain(&c, NULL,
                 "data.body must not be undefined. Instead, it should be an object with a "
                 "'message', 'trace', 'trace_chain', or 'crash_report' key.");
    check_value(&c, &data_shape, data, &data_place);
    if (body >= 0 && tb_doc_at(doc, body)->type != TB_DOC_NULL)
        check_body(&c, body, &body_place);
    return c.n;
}
