/* suggest.h - the known word that is nearest to a mistyped one. Pure. */
#ifndef TB_BASE_SUGGEST_H
#define TB_BASE_SUGGEST_H

#include <stddef.h>

/* The one of the n names that typed was likely meant to be, or NULL when none is near. */
const char *tb_suggest(const char *typed, const char *const *names, size_t n);

#endif
