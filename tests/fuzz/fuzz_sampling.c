/* fuzz_sampling.c - sampling rules, of files and of a hostile daemon, and quotas: the first byte
 * says which. What is taken decides, and a report of it is made. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "item/doc.h"
#include "sampling/sampling.h"

static void use(struct tb_sampling *sampling)
{
    static const char client[TB_SAMPLING_CLIENT] = "0123456789abcdef01234567";
    static const struct tb_sampling_request requests[] = {
        {.service = "backend-flask", .host = "api", .method = "GET", .path = "/api/a"},
        {.service = "feedd", .service_type = "AWS::ECS::Container"},
        {.path = ""}};
    char why[TB_DOC_WHY];
    struct tb_doc *doc = NULL;
    struct tb_buf report;
    for (int i = 0; i < 30; i++) {
        const char *rule = NULL;
        (void)tb_sampling_decide(sampling, &requests[i % 3], i * 100, i / 30.0, &rule);
        if (rule == NULL)
            abort();
    }
    tb_buf_init(&report, 1 << 20);
    int n = tb_sampling_statistics(sampling, client, 100000, &report);
    if (n < 0 || n > TB_SAMPLING_STATISTICS ||
        (n > 0) != (tb_doc_new(tb_buf_str(&report), report.len, &doc, why) == 0))
        abort();
    tb_doc_free(doc);
    tb_buf_done(&report);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_sampling *sampling = NULL;
    struct tb_buf next;
    char why[TB_SAMPLING_WHY] = "";
    int64_t changed_s;
    if (size == 0 || tb_sampling_new(&sampling) != 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1;
    int err = 0;
    tb_buf_init(&next, 1024);
    if (data[0] % 3 == 1) {
        static const char rules[] =
            "{\"SamplingRuleRecords\":[{\"SamplingRule\":{\"RuleName\":\"a\",\"Priority\":1,"
            "\"FixedRate\":0.5,\"ReservoirSize\":1,\"ServiceName\":\"*\",\"ServiceType\":\"*\","
            "\"Host\":\"*\",\"HTTPMethod\":\"*\",\"URLPath\":\"*\"}}]}";
        if (tb_sampling_page(sampling, rules, sizeof(rules) - 1, true, &next, why) != 0)
            abort();
        err = tb_sampling_targets(sampling, text, len, 0, &changed_s, why);
    } else if (data[0] % 3 == 2) {
        err = tb_sampling_page(sampling, text, len, true, &next, why);
    } else {
        err = tb_sampling_rules(sampling, text, len, 0, why);
        if (err == -EINVAL && why[0] == '\0')
            abort();
    }
    if (memchr(why, '\0', sizeof(why)) == NULL)
        abort();
    use(sampling);
    tb_buf_done(&next);
    tb_sampling_free(sampling);
    return 0;
}
