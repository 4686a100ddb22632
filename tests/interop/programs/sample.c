/* sample.c - our sampling rules, for tests that compare with those of AWS' SDK. Lines, their fields
 * with 0x1f between:
 *
 *   rules | JSON           begins anew with a file's rules
 *   page | JSON            central rules, of one page
 *   targets | JSON         quotas
 *   decide | NOW_MS | RANDOM | service | service type | host | method | path
 *   statistics | NOW_MS
 *
 * The answer to each is a line: "0" and what there is, or "refused" and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sampling/sampling.h"

enum { LINE = 1 << 20, FIELDS = 8, MARK = 0x1f };

static struct tb_sampling *sampling;

static void rules(char *const *fields, char why[TB_SAMPLING_WHY])
{
    tb_sampling_free(sampling);
    if (tb_sampling_new(&sampling) < 0)
        exit(3);
    int err = tb_sampling_rules(sampling, fields[1], strlen(fields[1]), 0, why);
    (void)printf(err ? "refused%c%s\n" : "0%c%s\n", MARK, err ? why : "");
}

static void page(char *const *fields, char why[TB_SAMPLING_WHY])
{
    struct tb_buf next;
    tb_buf_init(&next, LINE);
    int err = tb_sampling_page(sampling, fields[1], strlen(fields[1]), true, &next, why);
    (void)printf(err ? "refused%c%s\n" : "0%c%s\n", MARK, err ? why : "");
    tb_buf_done(&next);
}

static void targets(char *const *fields, char why[TB_SAMPLING_WHY])
{
    int64_t changed_s = 0;
    int err = tb_sampling_targets(sampling, fields[1], strlen(fields[1]), 0, &changed_s, why);
    if (err)
        (void)printf("refused%c%s\n", MARK, why);
    else
        (void)printf("0%c%lld\n", MARK, (long long)changed_s);
}

static void decide(char *const *fields, char why[TB_SAMPLING_WHY])
{
    const struct tb_sampling_request request = {fields[3], fields[4], fields[5], fields[6],
                                                fields[7]};
    const char *rule = "";
    (void)why;
    bool is_sampled = tb_sampling_decide(sampling, &request, strtoll(fields[1], NULL, 10),
                                         strtod(fields[2], NULL), &rule);
    (void)printf("0%c%d%c%s\n", MARK, is_sampled, MARK, rule);
}

static void statistics(char *const *fields, char why[TB_SAMPLING_WHY])
{
    static const char client[TB_SAMPLING_CLIENT] = "0123456789abcdef01234567";
    struct tb_buf out;
    (void)why;
    tb_buf_init(&out, LINE);
    (void)tb_sampling_statistics(sampling, client, strtoll(fields[1], NULL, 10), &out);
    (void)printf("0%c%s\n", MARK, tb_buf_str(&out));
    tb_buf_done(&out);
}

static const struct {
    const char *name;
    size_t n_fields;
    void (*run)(char *const *fields, char why[TB_SAMPLING_WHY]);
} commands[] = {{"rules", 2, rules},
                {"page", 2, page},
                {"targets", 2, targets},
                {"decide", 8, decide},
                {"statistics", 2, statistics}};

static int run(char *line)
{
    char why[TB_SAMPLING_WHY] = "";
    char *fields[FIELDS];
    size_t n = 0;
    for (char *at = line; at != NULL && n < FIELDS;) {
        fields[n++] = at;
        at = strchr(at, MARK);
        if (at != NULL)
            *at++ = '\0';
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(fields[0], commands[i].name) != 0 || n != commands[i].n_fields)
            continue;
        commands[i].run(fields, why);
        return 0;
    }
    return 2;
}

int main(void)
{
    static char line[LINE];
    int err = tb_sampling_new(&sampling);
    while (!err && fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        err = run(line);
    }
    tb_sampling_free(sampling);
    return err;
}
