/* threads.c - the other threads of a crash (custom.native.threads), briefly or with their stacks.
 */
#include <stdio.h>

#include "cli/print.h"

enum { NAMED_BRIEFLY = 3, NAMED = 100, GROUPS_BRIEFLY = 20, NAME_BYTES = 48 };

static void print_tid(const cJSON *tid)
{
    if (cJSON_IsNumber(tid) && tid->valuedouble >= 0 && tid->valuedouble <= UINT32_MAX)
        printf("%u", (unsigned)tid->valuedouble);
    else
        printf("?");
}

/* "worker-1 (4251), 4252, 48 more": a name where there is one. */
static void print_who(const cJSON *group, int n_named)
{
    const cJSON *tids = cJSON_GetObjectItemCaseSensitive(group, "tids");
    const cJSON *names = cJSON_GetObjectItemCaseSensitive(group, "names");
    const cJSON *name = cJSON_IsArray(names) ? names->child : NULL;
    const cJSON *tid;
    int n = 0;
    cJSON_ArrayForEach(tid, tids)
    {
        char clean[NAME_BYTES] = "";
        if (n == n_named) {
            printf(", %d more", cJSON_GetArraySize(tids) - n);
            break;
        }
        if (name != NULL && cJSON_IsString(name))
            tb_print_clean(name->valuestring, clean, sizeof(clean));
        printf("%s%s%s", n++ > 0 ? ", " : "", clean, *clean != '\0' ? " (" : "");
        print_tid(tid);
        printf("%s", *clean != '\0' ? ")" : "");
        name = name != NULL ? name->next : NULL;
    }
}

static const cJSON *frames_of(const cJSON *group)
{
    const cJSON *frames = cJSON_GetObjectItemCaseSensitive(group, "frames");
    return cJSON_IsArray(frames) ? frames : NULL;
}

static int count_threads(const cJSON *group)
{
    return frames_of(group) == NULL ? 0 : cJSON_GetArraySize(tb_json_at(group, "tids"));
}

static int number_of(const cJSON *object, const char *key)
{
    const cJSON *number = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(number) && number->valueint > 0 ? number->valueint : 0;
}

/* "waits in futex (pthread_cond_wait)" or "crashed too" between the two, or nothing. */
static void print_waits(const cJSON *group, const char *before, const char *behind)
{
    char clean[100];
    const char *waits_in = tb_json_text(group, "waits_in");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(group, "crashed")))
        printf("%scrashed too%s", before, behind);
    else if (*waits_in != '\0')
        printf("%swaits in %s%s", before, tb_print_clean(waits_in, clean, sizeof(clean)), behind);
}

/* One line: where they are, what they wait in, and who. */
static void print_brief(const cJSON *group, const char *root, const char *indent)
{
    char name[128];
    char where[TB_PLACE_TEXT] = "";
    int n = count_threads(group);
    const cJSON *frame = tb_print_blamed(frames_of(group), root);
    if (frame != NULL)
        tb_print_place(frame, root, where);
    printf("%s%-16s  %-24s  ", indent,
           tb_print_clean(frame != NULL ? tb_json_text(frame, "method") : "-", name, sizeof(name)),
           where);
    print_waits(group, "", "  ");
    if (n > 1)
        printf("%d threads: ", n);
    print_who(group, NAMED_BRIEFLY);
    printf("\n");
}

static size_t print_whole(const cJSON *group, const char *root, const char *indent, int is_whole)
{
    int omitted = number_of(group, "frames_omitted");
    printf("\n%s%s", indent, tb_ink(TB_INK_BOLD));
    print_who(group, NAMED);
    printf("%s", tb_ink(TB_INK_NONE));
    print_waits(group, "  ", "");
    printf("\n");
    size_t n_folded = tb_print_others(frames_of(group), root, indent, is_whole);
    if (omitted > 0)
        printf("%s%d frames are left out\n", indent, omitted);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(group, "cut"))) {
        const char *why = tb_json_text(group, "cut_note");
        printf("%s", indent);
        tb_print_text(*why != '\0' ? why : "only a part of the stack was captured");
        printf("\n");
    }
    return n_folded;
}

int tb_print_threads(const cJSON *data, const char *indent, enum tb_threads_form form,
                     size_t *n_folded)
{
    const cJSON *native = tb_json_at(data, "custom.native");
    const cJSON *groups = cJSON_GetObjectItemCaseSensitive(native, "threads");
    const char *note = tb_json_text(native, "threads_note");
    const char *root = tb_json_text(data, "server.root");
    const cJSON *group;
    int n_groups = 0;
    int n_shown = 0;
    int there = number_of(native, "threads_there");
    if (!cJSON_IsArray(groups))
        groups = NULL;
    if (groups == NULL && there == 0 && *note == '\0')
        return 0;
    printf("\nOther threads (%d)\n", there);
    if (*note != '\0') {
        printf("%s", indent);
        tb_print_text(note);
        printf("\n");
    }
    cJSON_ArrayForEach(group, groups)
    {
        if (frames_of(group) == NULL || (form == TB_THREADS_LINES && n_groups == GROUPS_BRIEFLY))
            continue;
        n_groups++;
        n_shown += count_threads(group);
        if (form == TB_THREADS_LINES)
            print_brief(group, root, indent);
        else
            *n_folded += print_whole(group, root, indent, form == TB_THREADS_WHOLE);
    }
    if (groups != NULL && n_shown < there)
        printf("%s%d more\n", indent, there - n_shown);
    return n_groups;
}
