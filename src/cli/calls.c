/* calls.c - see calls.h. */
#include "cli/calls.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/print.h"

int tb_calls_read(const cJSON *frames, const char *root, struct tb_calls *out)
{
    const cJSON *frame;
    size_t n = (size_t)cJSON_GetArraySize(frames);
    *out = (struct tb_calls){.frames = calloc(n + 1, sizeof(*out->frames)),
                             .calls = calloc(n + 1, sizeof(*out->calls))};
    if (out->frames == NULL || out->calls == NULL) {
        tb_calls_done(out);
        return -ENOMEM;
    }
    out->n = n;
    cJSON_ArrayForEach(frame, frames)
    {
        const cJSON *in_app = cJSON_GetObjectItemCaseSensitive(frame, "in_app");
        const cJSON *line = cJSON_GetObjectItemCaseSensitive(frame, "lineno");
        const char *file = tb_json_text(frame, "filename");
        const char *method = tb_json_text(frame, "method");
        out->frames[--n] = frame;
        out->calls[n] = (struct tb_fold_frame){
            .method = *method != '\0' ? method : "<unknown>",
            .file = file,
            .module = tb_json_text(frame, "module"),
            .line = cJSON_IsNumber(line) && line->valueint > 0 ? line->valueint : 0,
            .is_library =
                cJSON_IsBool(in_app) ? cJSON_IsFalse(in_app) : tb_fold_is_package(file, root)};
    }
    out->blamed = tb_fold_blamed(out->calls, out->n);
    return 0;
}

void tb_calls_done(struct tb_calls *calls)
{
    free(calls->frames);
    free(calls->calls);
    *calls = (struct tb_calls){0};
}
