/* fuzz_deploy.c - bodies of deploys by strangers: read or refused, with texts that end. */
#include <stdlib.h>
#include <string.h>

#include "agent/serve/deploy_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tb_deploy_form form;
    char message[TB_DEPLOY_MESSAGE];
    const char *type = size % 2 ? "multipart/form-data; boundary=b" : NULL;
    if (size > TB_DEPLOY_BODY_MAX ||
        tb_deploy_form_read((const char *)data, size, type, &form) != 0)
        return 0;
    if (memchr(form.environment, '\0', sizeof(form.environment)) == NULL ||
        memchr(form.comment, '\0', sizeof(form.comment)) == NULL)
        abort();
    int err = tb_deploy_form_check(&form, 0, message);
    if ((err == 0) != (message[0] == '\0'))
        abort();
    return 0;
}
