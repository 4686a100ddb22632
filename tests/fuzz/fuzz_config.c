/* fuzz_config.c - the settings file: what is wrong is told in one line; what is taken can be
 * checked and applied. Tokens are not read: the files that hold them are named in it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/config/config_apply.h"
#include "agent/config/config_check.h"
#include "agent/config/config_sinks_load.h"
#include "agent/config/config_file.h"
#include "base/fd.h"

/* A sentence: something, in one line, that ends in its memory. */
static void must_be_told(const char *why)
{
    size_t len = strnlen(why, TB_CONFIG_WHY);
    if (len == 0 || len == TB_CONFIG_WHY || memchr(why, '\n', len) != NULL)
        abort();
}

static void apply(const struct tb_config_file *file)
{
    char why[TB_CONFIG_WHY] = "";
    struct tb_config config;
    memset(&config, 0, sizeof(config));
    static const char *const words[] = {"", "127.0.0.1:0", "report", "text",
                                        "https://h.example/api/1/item/"};
    char **const fields[] = {&config.environment, &config.listen, &config.vanished,
                             &config.log_format, &config.endpoint};
    char **const others[] = {&config.spool,         &config.state_dir,    &config.socket,
                             &config.token,         &config.token_from,   &config.file,
                             &config.warning,       &config.proxy,        &config.ca_file,
                             &config.tls_cert_file, &config.tls_key_file, &config.ingest_token};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        tb_config_set(fields[i], words[i]);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        tb_config_set(others[i], "");
    tb_config_apply_file(&config, file);
    if (tb_config_check(&config, why) != 0 || tb_config_sinks_load(&config, file, why) != 0)
        must_be_told(why);
    tb_config_done(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_config_file *file = NULL;
    char why[TB_CONFIG_WHY] = "";
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0 || tb_fd_write_all(fd, data, size) != 0)
        abort();
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (tb_config_file_read(path, &file, why) != 0)
        must_be_told(why);
    else if (file != NULL)
        apply(file);
    tb_config_file_free(file);
    close(fd);
    return 0;
}
