/* request.c - the memory of a request. */
#include "sink/sink.h"

void tb_sink_request_done(struct tb_sink_request *request)
{
    if (request)
        tb_buf_done(&request->body);
}
