/* vectors.h - trace_headers.json, and what a case expects of what was read. The folder is
 * TOWBAR_VECTORS, else tests/data/vectors. */
#ifndef TB_TESTS_VECTORS_H
#define TB_TESTS_VECTORS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cJSON.h>
#include <cmocka.h>

#include "base/id.h"
#include "trace/formats.h"

static inline cJSON *read_vectors(void)
{
    const char *folder = getenv("TOWBAR_VECTORS");
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/trace_headers.json",
                   folder && folder[0] ? folder : TEST_DATA "/vectors");
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("cannot open %s", path);
    static char text[1 << 20];
    size_t len = fread(text, 1, sizeof(text), file);
    (void)fclose(file);
    cJSON *root = cJSON_ParseWithLength(text, len);
    assert_non_null(root);
    return root;
}

static inline const cJSON *member(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static inline const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(member(object, key));
    return text ? text : "";
}

/* A key that the case does not name is not checked; null is "". */
static inline void same_text(const char *id, const cJSON *expect, const char *key, const char *got)
{
    const cJSON *want = member(expect, key);
    if (want == NULL)
        return;
    if (strcmp(cJSON_IsString(want) ? want->valuestring : "", got) != 0)
        fail_msg("%s: %s is '%s'", id, key, got);
}

static inline void same_slice(const char *id, const cJSON *expect, const char *key,
                              struct tb_slice got)
{
    char text[TB_XRAY_MORE_TEXT] = "";
    (void)snprintf(text, sizeof(text), "%.*s", (int)got.len, got.len > 0 ? got.text : "");
    same_text(id, expect, key, text);
}

static inline void same_bytes(const char *id, const cJSON *expect, const char *key,
                              const uint8_t *bytes, size_t len)
{
    static const uint8_t zeros[16];
    char text[TB_TRACE_ID_TEXT] = "";
    if (memcmp(bytes, zeros, len) != 0)
        tb_hex(bytes, len, text);
    same_text(id, expect, key, text);
}

/* got: 0, 1, or -1 for unsaid. */
static inline void same_bool(const char *id, const cJSON *expect, const char *key, int got)
{
    const cJSON *want = member(expect, key);
    if (cJSON_IsBool(want) && cJSON_IsTrue(want) != got)
        fail_msg("%s: %s is %d", id, key, got);
    if (cJSON_IsNull(want) && got >= 0)
        fail_msg("%s: %s is %d and not unsaid", id, key, got);
}

/* What a case expects beyond the names that are compared is told: newer vectors may say more. */
static inline void tell_unknown(const char *id, const cJSON *object, const char *const *known)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, object)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], one->string) != 0)
            i++;
        if (known[i] == NULL)
            print_message("%s: nobody looks at \"%s\"\n", id, one->string);
    }
}

/* -1 for unsaid. */
static inline int truth(uint8_t sampled)
{
    return sampled == TB_SAMPLED_UNSAID ? -1 : sampled == TB_SAMPLED_YES;
}

#endif
