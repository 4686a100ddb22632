/* group_names.h - the names that frames count by in a fingerprint: the same one for a function in
 * whatever way a compiler has cut, cloned and decorated it. Pure. */
#ifndef TB_AGENT_GROUP_NAMES_H
#define TB_AGENT_GROUP_NAMES_H

#include <stddef.h>

enum { TB_GROUP_NAME_BYTES = 256 };

/* Writes into out the function's name without
 *   - what a compiler appends: .part.0, .isra.0, .constprop.1, .cold, .llvm.123, .lto_priv.0;
 *   - the arguments of templates, [abi:cxx11], and parameters;
 *   - the hash of a Rust name;
 *   - numbers of closures and lambdas: "f::{lambda}" for one of C++, "{lambda}" where the compiler
 *     did not say whose; "f::{closure}" for one of Rust;
 *   - what comes before a name in an unnamed namespace, which gcc does not tell of inlined ones. */
void tb_group_clean(const char *method, char *out, size_t cap);
/* The function whose lambda a name tells of, as in "invoke<run(int)::<lambda()> >", as it counts.
 * False for none. */
int tb_group_lambda_scope(const char *method, char *out, size_t cap);
/* Is it a function that says nothing about the bug: abort, raise, malloc, start_thread, std::?
 * has_line: it is one of the program with a source line; programs have functions of their own that
 * are called "start", "kill" or "free", and of those only names that no program has are noise. */
int tb_group_is_noise(const char *method, int has_line);
/* Is it an instance that the C++ library's headers make for a lambda, as "std::for_each<I,
 * f()::$_0>"? What gcc inlines has no "std::". */
int tb_group_is_of_lambda(const char *method);
/* Is it a module whose functions are never the bug's own? name: its last part. */
int tb_group_is_noise_module(const char *name);
/* The function in the text of a failed assertion, "int ring::push(int)" or "push", as it counts.
 */
void tb_group_clean_signature(const char *signature, char *out, size_t cap);

#endif
