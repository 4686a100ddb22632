/* name.h - function names as people write them. */
#ifndef TB_SYMBOL_NAME_H
#define TB_SYMBOL_NAME_H

/* What to call a function whose symbol or linkage name is raw: C++ and Rust names are demangled
 * (without parameters), versions (@GLIBC_2.34) and the suffixes of compilers' clones (.part.0,
 * .isra.0, .constprop.0, .cold, .llvm.123, .lto_priv.0) are cut. The caller frees it. NULL when
 * nothing is left or memory is short. */
char *tb_symbol_name_clean(const char *raw);
/* What to call a C++ type whose name in its type_info is raw ("St13runtime_error"). The caller
 * frees it. NULL when it is none, or memory is short. */
char *tb_symbol_type_name(const char *raw);

#endif
