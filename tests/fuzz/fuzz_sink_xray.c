/* fuzz_sink_xray.c - X-Ray documents of hostile items, and answers of a hostile X-Ray: the first
 * byte says which, and what is omitted. */
#include <stdlib.h>
#include <string.h>

#include "../sink/xray_check.h"

enum { MEM = TB_XRAY_DOCUMENT_BYTES + 1 };

static void make(const struct tb_sink_target *target, const char *data, size_t len)
{
    static char mem[MEM];
    static char again[MEM];
    struct tb_sink_item item = {
        .uuid = "d4c7acef-55bf-4c9e-a95e-4fe9428a8287", .data = data, .len = len};
    size_t made = 0;
    size_t made_again = 0;
    if (tb_xray_document(target, &item, mem, MEM, &made) != 0)
        return;
    if (xray_fault(mem, made) != NULL)
        abort();
    if (tb_xray_document(target, &item, again, MEM, &made_again) != 0 || made_again != made ||
        memcmp(mem, again, made) != 0)
        abort();
}

static void judge(const struct tb_sink_target *target, int status, const char *body, size_t len)
{
    static const struct tb_sink_item items[] = {{.uuid = "a"}, {.uuid = "b"}};
    struct tb_sink_reply reply = {
        .status = status, .body = body, .body_len = len, .now_s = 784111777};
    struct tb_sink_judgement out[2];
    tb_sink_xray_api.judge(target, &reply, items, 2, out);
    for (int i = 0; i < 2; i++) {
        if (memchr(out[i].reason, '\0', sizeof(out[i].reason)) == NULL ||
            out[i].verdict == TB_VERDICT_CREATE)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int statuses[] = {200, 400, 403, 429, 500};
    if (size == 0)
        return 0;
    struct tb_sink_settings settings = {
        .host = "h",
        .region = "r",
        .name = "",
        .name_pattern = data[0] & 8 ? "*" : "",
        .log_group = data[0] & 16 ? "cruddur" : "",
        .omit = {.source = data[0] & 1, .request = data[0] & 2, .person = data[0] & 4}};
    struct tb_sink_target target = {
        .endpoint = "udp://127.0.0.1:2000", .token = "", .settings = &settings, .now_ms = 1};
    const char *text = (const char *)data + 1;
    if (data[0] & 0x80)
        judge(&target, statuses[data[0] % 5], text, size - 1);
    else
        make(&target, text, size - 1);
    return 0;
}
