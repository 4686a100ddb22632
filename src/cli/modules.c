/* modules.c - what stood in the way of names: a line for each module that lacks some. */
#include <stdio.h>
#include <string.h>

#include "cli/print.h"

/* Is a frame of the module without a name? */
static int lacks_names(const cJSON *data, const char *module)
{
    const cJSON *frame;
    cJSON_ArrayForEach(frame, tb_print_frames(data))
    {
        const char *method = tb_json_text(frame, "method");
        if ((*method == '\0' || strcmp(method, "<unknown>") == 0) &&
            strcmp(tb_json_text(frame, "module"), module) == 0)
            return 1;
    }
    return 0;
}

/* In words what its "symbols" means, or NULL where nothing is wrong with that. */
static const char *state_of(const cJSON *module, int lacks)
{
    static const struct {
        const char *symbols, *words;
        int is_always;
    } states[] = {
        {"changed", "another file is at its place than the one that ran", 1},
        {"unreadable", "its file is not there, or may not be read", 1},
        {"none", "it has no symbols", 0},
        {"exported", "it has exported names alone", 0},
    };
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(tb_json_text(module, "symbols"), states[i].symbols) == 0)
            return states[i].is_always || lacks ? states[i].words : NULL;
    return NULL;
}

void tb_print_modules(const cJSON *data, const char *indent)
{
    const cJSON *module;
    cJSON_ArrayForEach(module, tb_json_at(data, "custom.native.modules"))
    {
        const char *name = tb_json_text(module, "name");
        const char *note = tb_json_text(module, "note");
        const char *build_id = tb_json_text(module, "build_id");
        int lacks = lacks_names(data, name);
        const char *state = state_of(module, lacks);
        if (state == NULL && *note == '\0')
            continue;
        printf("%s%s", indent, tb_ink(TB_INK_DIM));
        tb_print_text(name);
        printf(": %s%s", state != NULL ? state : "", state != NULL && *note != '\0' ? "; " : "");
        tb_print_text(note);
        if (lacks && *build_id != '\0') {
            printf("; debug data of build ID ");
            tb_print_text(build_id);
            printf(" would name its frames");
        }
        printf("%s\n", tb_ink(TB_INK_NONE));
    }
}
