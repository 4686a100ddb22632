/* symbolize_scan.h - finds what may be an address of a module in a text: MODULE+0xOFFSET,
 * MODULE +0xOFFSET, MODULE(+0xOFFSET), MODULE(FUNCTION+0xOFFSET). Pure. */
#ifndef TB_CLI_SYMBOLIZE_SCAN_H
#define TB_CLI_SYMBOLIZE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All are places in the text. */
struct tb_symbolize_spot {
    size_t from, module_len, to;
    size_t function, function_len; /* 0: the offset counts from the module's first byte */
    uint64_t offset;
};

/* The next one from *at on, which is moved behind it. */
bool tb_symbolize_scan(const char *text, size_t *at, struct tb_symbolize_spot *out);

#endif
