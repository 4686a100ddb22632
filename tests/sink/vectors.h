/* vectors.h - the files of the folder that TOWBAR_VECTORS names, else of tests/data/vectors. */
#ifndef TB_TESTS_SINK_VECTORS_H
#define TB_TESTS_SINK_VECTORS_H

#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

/* The file as text, to be freed; NULL where there is none. */
static char *vectors_text(const char *name)
{
    enum { CAP = 4 << 20 };
    char path[4096];
    const char *folder = getenv("TOWBAR_VECTORS");
    (void)snprintf(path, sizeof(path), "%s/%s", folder && folder[0] ? folder : TEST_DATA "/vectors",
                   name);
    FILE *file = fopen(path, "rb");
    char *text = file ? calloc(1, CAP) : NULL;
    if (text != NULL && fread(text, 1, CAP - 1, file) == 0)
        text[0] = '\0';
    if (file != NULL)
        (void)fclose(file);
    return text;
}

static cJSON *vectors_json(const char *name)
{
    char *text = vectors_text(name);
    cJSON *json = text ? cJSON_Parse(text) : NULL;
    free(text);
    return json;
}

#endif
