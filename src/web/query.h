/* query.h - what stands behind the '?' of an address, and the words of a search. Pure. */
#ifndef TB_WEB_QUERY_H
#define TB_WEB_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

enum { TB_QUERY_TEXT = 256 };

/* The decoded value of the first field of that name. False when there is none, or it does not fit;
 * then out is "". */
bool tb_query_get(const char *query, const char *name, char *out, size_t cap);
/* A number from 0 to max, else fallback. */
int64_t tb_query_number(const char *query, const char *name, int64_t max, int64_t fallback);
/* Digits only, 1 to INT64_MAX; or -1. */
int64_t tb_query_item(const char *digits, size_t len);
/* The value of a cookie of that name. */
bool tb_query_cookie(const char *header, const char *name, char *out, size_t cap);

/* Splits a search into words: text, env:a,b, service:a, level:a. text is cut into pieces and must
 * outlive filter. Words beyond TB_STORE_WORDS are not looked for. */
void tb_query_words(char *text, struct tb_store_filter *filter);

#endif
