/* table.c - the sinks that there are. */
#include "sink/sink.h"

#include <string.h>

static const struct tb_sink_type *const TYPES[] = {
    &tb_sink_rollbar, &tb_sink_otlp, &tb_sink_otlp_spans, &tb_sink_xray, &tb_sink_cloudwatch};

const struct tb_sink_type *tb_sink_find(const char *name)
{
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        if (strcmp(TYPES[i]->name, name) == 0)
            return TYPES[i];
    }
    return NULL;
}
