/* function_name.h - the name alone of a function that is written out (__PRETTY_FUNCTION__). Pure.
 */
#ifndef TB_AGENT_FUNCTION_NAME_H
#define TB_AGENT_FUNCTION_NAME_H

enum { TB_FUNCTION_NAME_BYTES = 128 };

/* "ns::ring::write" for "bool ns::ring<T>::write(int) const [with T = int]": without what is
 * returned, parameters and arguments of templates. A plain name stays; what is not understood is
 * only cut to fit. */
void tb_function_name_short(const char *pretty, char out[TB_FUNCTION_NAME_BYTES]);

/* Writes std::string for what its type is called by compilers, in place. */
void tb_type_name_short(char *type);

#endif
