/* config_tls.h - can a certificate and its key be used? */
#ifndef TB_AGENT_CONFIG_TLS_H
#define TB_AGENT_CONFIG_TLS_H

#include "agent/config/config.h"

/* Reads both files as the agent does (http/tls.h). 0, or -EINVAL with why: one cannot be read or is
 * none, or everybody may read the key, or it has a password, they do not fit each other, the
 * certificate has expired. */
int tb_config_tls_pair(const char *cert_file, const char *key_file, char why[TB_CONFIG_WHY]);

#endif
