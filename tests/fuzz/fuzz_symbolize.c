/* fuzz_symbolize.c - what `towbar symbolize` and the worker's news read: a text with addresses in
 * it, a list of places, a message about an index. */
#include <stdlib.h>
#include <string.h>

#include "cli/symbolize_scan.h"
#include "symbol/news.h"
#include "symbol/places.h"

enum { INPUT_MAX = 64 << 10 };

static volatile size_t sink;

static void scan(const char *text, size_t len)
{
    struct tb_symbolize_spot spot;
    size_t at = 0;
    for (size_t before = 0; tb_symbolize_scan(text, &at, &spot); before = at) {
        if (spot.from < before || spot.to != at || at > len || spot.module_len == 0 ||
            spot.from + spot.module_len >= spot.to || spot.function + spot.function_len >= spot.to)
            abort();
        sink += spot.offset;
    }
}

static void read_places(const uint8_t *data, size_t len)
{
    struct tb_symbol_asked asked;
    uint8_t again[TB_SYMBOL_ASKED_BYTES + TB_SYMBOL_ASKED_NAME_MAX];
    for (size_t at = 0, from = 0; tb_symbol_asked_next(data, len, &at, &asked) == 0; from = at) {
        if (at > len || tb_symbol_asked_pack(&asked, again, sizeof(again)) != at - from ||
            memcmp(again, data + from, at - from) != 0)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct tb_symbol_news news;
    if (len > INPUT_MAX)
        return 0;
    char *text = malloc(len + 1);
    if (!text)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    scan(text, strlen(text));
    read_places(data, len);
    if (len >= TB_SYMBOL_NEWS_BYTES && tb_symbol_news_unpack(data, &news) == 0)
        sink += news.build_id_len;
    free(text);
    return 0;
}
