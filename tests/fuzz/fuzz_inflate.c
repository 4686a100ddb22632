/* fuzz_inflate.c - compressed bodies of strangers: the first byte says of which coding. What comes
 * out never has more than the cap, and it comes out alike twice. */
#include <stdlib.h>
#include <string.h>

#include "agent/serve/inflate.h"

enum { CAP_BYTES = 256 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_buf first;
    struct tb_buf second;
    if (size == 0)
        return 0;
    enum tb_coding coding = data[0] % 2 ? TB_CODING_GZIP : TB_CODING_DEFLATE;
    const char *body = (const char *)data + 1;
    tb_buf_init(&first, CAP_BYTES);
    tb_buf_init(&second, CAP_BYTES);
    int err = tb_inflate(coding, body, size - 1, &first);
    if (first.len > CAP_BYTES || tb_inflate(coding, body, size - 1, &second) != err ||
        first.len != second.len ||
        (first.len > 0 && memcmp(first.data, second.data, first.len) != 0))
        abort();
    tb_buf_done(&first);
    tb_buf_done(&second);
    return 0;
}
