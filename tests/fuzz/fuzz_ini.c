/* fuzz_ini.c - a file of the AWS CLI that somebody else wrote, and a command line in it. */
#include <stdlib.h>
#include <string.h>

#include "agent/aws/ini.h"
#include "agent/aws/words.h"

static void look(const struct tb_ini *ini, const char *profile)
{
    static const char *const names[] = {"aws_access_key_id", "region", "credential_process", ""};
    static struct tb_words words;
    bool has = tb_ini_has(ini, profile);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char value[128];
        bool is_there = tb_ini_get(ini, profile, names[i], value, sizeof(value));
        if ((is_there && !has) || memchr(value, '\0', sizeof(value)) == NULL)
            abort();
        if (tb_words_split(value, &words) == 0 && (words.n == 0 || words.argv[words.n] != NULL))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int form = TB_INI_CREDENTIALS; form <= TB_INI_CONFIG; form++) {
        const struct tb_ini ini = {
            .text = (const char *)data, .len = size, .form = (enum tb_ini_form)form};
        look(&ini, "default");
        look(&ini, "a b");
        look(&ini, "");
    }
    return 0;
}
