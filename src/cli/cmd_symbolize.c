/* cmd_symbolize.c - towbar symbolize: functions and lines for addresses, by hand. The files are
 * read by a worker in its sandbox, as the agent has one (symbol/worker.h). */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/symbolize.h"
#include "record/process.h"

enum { PATH_TEXT = 4200, QUESTION_BYTES = 1 << 20, ADDRESSES_AT_ONCE = 64, LINE_BYTES = 64 << 10 };

const char tb_symbolize_help[] =
    "  --exe FILE ADDR...  addresses as the file has them, as addr2line -ifC takes them\n"
    "  FILE                a file of the spool: the crashes and reports in it, with their stacks;\n"
    "                      --all: also those of all threads\n"
    "  FILE                any other: text, in which MODULE+0xOFFSET, MODULE(+0xOFFSET) and\n"
    "                      MODULE(FUNCTION+0xOFFSET) are replaced, and MODULE +0xOFFSET, as\n"
    "                      towbar itself prints it; - is the standard input\n"
    "\n"
    "  Offsets in a text are return addresses, as backtrace_symbols writes them.\n";

/* ---- asking ---- */

uint64_t tb_symbolize_base(size_t module)
{
    return (uint64_t)module << 48;
}

static size_t pack_process(const char *const *paths, size_t n_paths, uint8_t *out, size_t cap)
{
    struct tb_module modules[TB_SYMBOLIZE_MODULES] = {{0}};
    struct tb_process process = {.uid = geteuid(),
                                 .pid = (uint32_t)getpid(),
                                 .exe = "",
                                 .host = "",
                                 .service = "",
                                 .environment = "",
                                 .version = "",
                                 .root = "",
                                 .modules = modules,
                                 .n_modules = n_paths};
    for (size_t i = 0; i < n_paths; i++) {
        modules[i].lo = modules[i].bias = tb_symbolize_base(i);
        modules[i].hi = tb_symbolize_base(i + 1);
        modules[i].path = paths[i];
    }
    return tb_process_pack(&process, out, cap);
}

/* For people: what the symbolizer's error means. */
static const char *explain(int err)
{
    return err == -ETIMEDOUT ? "it did not answer in time"
           : err == -EPIPE   ? "it died over these files"
                             : strerror(-err);
}

static cJSON *read_answer(int err, const struct tb_buf *answer)
{
    cJSON *json = err ? NULL : cJSON_ParseWithLength(tb_buf_str(answer), answer->len);
    if (json == NULL)
        fprintf(stderr, "towbar: the symbolizer failed: %s\n", explain(err ? err : -EPROTO));
    return json;
}

cJSON *tb_symbolize_ask(struct tb_symbolize *s, const char *const *paths, size_t n_paths,
                        const struct tb_symbol_asked *asked, size_t n_asked)
{
    struct tb_buf answer;
    uint8_t *mem = malloc(2 * (size_t)QUESTION_BYTES);
    cJSON *json = NULL;
    if (mem == NULL)
        return NULL;
    tb_buf_init(&answer, TB_SYMBOL_REPLY_MAX);
    struct tb_symbolizer_question q = {.op = TB_SYMBOL_PLACES,
                                       .process = mem,
                                       .process_len =
                                           pack_process(paths, n_paths, mem, QUESTION_BYTES),
                                       .body = mem + QUESTION_BYTES};
    for (size_t i = 0; i < n_asked; i++)
        q.body_len += tb_symbol_asked_pack(&asked[i], mem + QUESTION_BYTES + q.body_len,
                                           QUESTION_BYTES - q.body_len);
    int err = tb_symbolizer_ask(s->symbolizer, &q, &answer);
    if (err == -ENOSPC && n_asked == 1)
        fprintf(stderr, "towbar: what is at one address is too much for an answer\n");
    else if (err != -ENOSPC)
        json = read_answer(err, &answer);
    tb_buf_done(&answer);
    free(mem);
    return json;
}

/* ---- printing ---- */

static bool has_text(const cJSON *frame, const char *key)
{
    const char *text = tb_json_text(frame, key);
    return *text != '\0' && strcmp(text, "<unknown>") != 0;
}

bool tb_symbolize_is_named(const cJSON *place)
{
    const cJSON *frame = cJSON_GetArrayItem(tb_json_at(place, "frames"), 0);
    return frame != NULL && (has_text(frame, "method") || cJSON_HasObjectItem(frame, "lineno"));
}

void tb_symbolize_print(const cJSON *place, const char *between)
{
    const cJSON *frame;
    int n = 0;
    cJSON_ArrayForEach(frame, tb_json_at(place, "frames"))
    {
        const cJSON *line = cJSON_GetObjectItemCaseSensitive(frame, "lineno");
        if (n++ > 0)
            printf("%s(inlined by) ", between);
        tb_print_text(has_text(frame, "method") ? tb_json_text(frame, "method") : "??");
        if (cJSON_IsNumber(line)) {
            printf(" at ");
            tb_print_text(tb_json_text(frame, "filename"));
            printf(":%d", line->valueint);
        }
    }
}

/* ---- --exe ---- */

static int read_address(const char *text, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    *out = strtoull(text, &end, 16);
    if (errno != 0 || end == text || *end != '\0' || strchr(text, '-') != NULL ||
        *out >= tb_symbolize_base(1)) {
        fprintf(stderr, "towbar: '%s' is no address: hexadecimal digits, with or without 0x\n",
                text);
        return TB_EXIT_USAGE;
    }
    return 0;
}

static void print_place(const struct tb_symbolize *s, uint64_t address, const cJSON *place,
                        const cJSON *module)
{
    if (!s->cli->json) {
        printf("0x%" PRIx64 ": ", address);
        if (tb_symbolize_is_named(place))
            tb_symbolize_print(place, "\n    ");
        else
            printf("??");
        printf("\n");
        return;
    }
    char *frames = cJSON_PrintUnformatted(tb_json_at(place, "frames"));
    char line[LINE_BYTES];
    struct tb_json j;
    tb_json_init(&j, line, sizeof(line));
    tb_json_object(&j);
    tb_json_khex(&j, "address", address);
    tb_json_kopt(&j, "path", tb_json_text(module, "path"));
    tb_json_kopt(&j, "symbols", tb_json_text(module, "symbols"));
    tb_json_kopt(&j, "note", tb_json_text(module, "note"));
    if (frames != NULL) {
        tb_json_key(&j, "frames");
        tb_json_raw(&j, frames, strlen(frames));
    }
    tb_json_end(&j);
    if (tb_json_finish(&j) == 0)
        puts(line);
    free(frames);
}

/* What kept the file from being read, on stderr, once. */
static void say_module(const cJSON *module)
{
    const char *symbols = tb_json_text(module, "symbols");
    const char *note = tb_json_text(module, "note");
    if (strcmp(symbols, "unreadable") == 0)
        fprintf(stderr, "towbar: %s is no ELF file, or may not be read\n",
                tb_json_text(module, "path"));
    else if (*note != '\0')
        fprintf(stderr, "towbar: %s: %s\n", tb_json_text(module, "path"), note);
}

static int name_addresses(struct tb_symbolize *s, const char *path, size_t from, size_t n,
                          int *n_named)
{
    struct tb_symbol_asked asked[ADDRESSES_AT_ONCE] = {{0}};
    for (size_t i = 0; i < n; i++) {
        asked[i].flags = TB_SYMBOL_ASKED_EXACT;
        (void)read_address(s->cli->words[from + i], &asked[i].address);
    }
    cJSON *answer = tb_symbolize_ask(s, &path, 1, asked, n);
    const cJSON *module = cJSON_GetArrayItem(tb_json_at(answer, "modules"), 0);
    if (answer == NULL)
        return TB_EXIT_WRONG;
    if (from == 0)
        say_module(module);
    for (size_t i = 0; i < n; i++) {
        const cJSON *place = cJSON_GetArrayItem(tb_json_at(answer, "places"), (int)i);
        print_place(s, asked[i].address, place, module);
        *n_named += tb_symbolize_is_named(place);
    }
    cJSON_Delete(answer);
    return TB_EXIT_WELL;
}

static int symbolize_exe(struct tb_symbolize *s)
{
    char path[PATH_MAX];
    size_t n = (size_t)s->cli->n_words;
    int n_named = 0;
    int code = TB_EXIT_WELL;
    if (realpath(s->cli->exe, path) == NULL) {
        fprintf(stderr, "towbar: %s: %s\n", s->cli->exe, strerror(errno));
        return TB_EXIT_WRONG;
    }
    for (size_t i = 0; i < n && code == TB_EXIT_WELL; i += ADDRESSES_AT_ONCE)
        code = name_addresses(s, path, i, n - i < ADDRESSES_AT_ONCE ? n - i : ADDRESSES_AT_ONCE,
                              &n_named);
    return code == TB_EXIT_WELL && n_named == 0 ? TB_EXIT_WRONG : code;
}

/* ---- which of them ---- */

static bool is_address_alone(const char *word)
{
    const char *digits = "0123456789abcdefABCDEF";
    return (strncmp(word, "0x", 2) == 0 || strncmp(word, "0X", 2) == 0) && word[2] != '\0' &&
           word[2 + strspn(word + 2, digits)] == '\0' && access(word, F_OK) != 0;
}

static int check_use(const struct tb_cli *cli)
{
    uint64_t address;
    if (cli->exe == NULL && cli->n_words == 1 && is_address_alone(cli->words[0]))
        fprintf(stderr, "towbar: %s is an address: say of which file with --exe FILE\n",
                cli->words[0]);
    else if (cli->exe == NULL && cli->n_words > 1)
        fprintf(stderr, "towbar: one FILE at a time; addresses want --exe FILE\n");
    else if (cli->exe != NULL && cli->all)
        fprintf(stderr, "towbar: --all is for a file of the spool\n");
    else {
        for (int i = 0; cli->exe != NULL && i < cli->n_words; i++) {
            if (read_address(cli->words[i], &address) != 0)
                return TB_EXIT_USAGE;
        }
        return 0;
    }
    return TB_EXIT_USAGE;
}

/* Files of a spool lie in its in/ or quarantine/; a name that is no path is looked for there. */
static bool is_of_spool(const char *path)
{
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strcmp(path, "-") != 0 && stat(path, &st) < 0;
    size_t len = (size_t)(slash - path);
    const char *const folders[] = {"in", "quarantine"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        size_t n = strlen(folders[i]);
        if (len >= n && strncmp(path + len - n, folders[i], n) == 0 &&
            (len == n || path[len - n - 1] == '/'))
            return true;
    }
    return false;
}

int tb_cmd_symbolize(struct tb_cli *cli)
{
    char index_dir[PATH_TEXT];
    struct tb_symbolize s = {.cli = cli};
    int code = check_use(cli);
    if (code != 0)
        return code;
    if (tb_cli_config(cli, &s.config) < 0)
        return TB_EXIT_WRONG;
    snprintf(index_dir, sizeof(index_dir), "%s/symbols", s.config.state_dir);
    struct tb_symbolizer_options options = {.config = &s.config, .index_dir = index_dir};
    int err = tb_symbolizer_new(&options, &s.symbolizer);
    if (err) {
        fprintf(stderr, "towbar: cannot start the symbolizer: %s\n", strerror(-err));
        code = TB_EXIT_WRONG;
    } else if (cli->exe != NULL) {
        code = symbolize_exe(&s);
    } else if (is_of_spool(cli->words[0])) {
        code = tb_symbolize_spool(&s, cli->words[0]);
    } else {
        code = tb_symbolize_text(&s, cli->words[0]);
    }
    tb_symbolizer_free(s.symbolizer);
    tb_config_done(&s.config);
    return code;
}
