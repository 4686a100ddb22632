/* evidence.c - see print.h: what else is known of a death (custom.native), a line for each. */
#include <stdio.h>

#include "cli/print.h"

static void show_ranges(const char *name, const cJSON *list)
{
    static const char *const parts[] = {"rights", "path"};
    const cJSON *range;
    cJSON_ArrayForEach(range, list)
    {
        printf("  %s", name);
        tb_print_text(tb_json_text(range, "lo"));
        printf("-");
        tb_print_text(tb_json_text(range, "hi"));
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            if (*tb_json_text(range, parts[i]) == '\0')
                continue;
            printf(" ");
            tb_print_text(tb_json_text(range, parts[i]));
        }
        printf("\n");
    }
}

static void show_number(const char *before, const cJSON *value)
{
    if (cJSON_IsNumber(value))
        printf("%s%.0f", before, value->valuedouble);
}

static void show_exception(const cJSON *native)
{
    const char *what = tb_json_text(native, "exception.what");
    if (*tb_json_text(native, "exception.type") == '\0')
        return;
    printf("  exception   ");
    tb_print_text(tb_json_text(native, "exception.type"));
    printf("%s", *what != '\0' ? ": " : "");
    tb_print_text(what);
    printf("\n");
}

static void show_call(const cJSON *native)
{
    if (!cJSON_IsNumber(tb_json_at(native, "syscall.number")))
        return;
    printf("  call        ");
    tb_print_text(tb_json_text(native, "syscall.name"));
    show_number(" number ", tb_json_at(native, "syscall.number"));
    printf(" of ");
    tb_print_text(tb_json_text(native, "syscall.arch"));
    printf("\n");
}

void tb_print_evidence(const cJSON *data)
{
    const cJSON *native = tb_json_at(data, "custom.native");
    show_exception(native);
    show_call(native);
    if (cJSON_IsNumber(tb_json_at(native, "sender.pid"))) {
        printf("  sent by    ");
        show_number(" pid ", tb_json_at(native, "sender.pid"));
        show_number(" uid ", tb_json_at(native, "sender.uid"));
        printf("\n");
    }
    show_ranges("mapped      ", tb_json_at(native, "mappings"));
    show_ranges("unloaded    ", tb_json_at(native, "unloaded"));
}
