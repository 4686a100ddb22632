/* secret.c - a program that says its secrets, which begin with its argument: in tags, notes and
 * messages of errors. They do not stand in its source, whose lines are shown. Ends by SIGABRT. */
#include <stdlib.h>

#include <towbar/towbar.h>

int main(int argc, char **argv)
{
    if (argc != 2 || towbar_init(NULL) != 0)
        return 1;
    towbar_scope_push("db_password", "%stag", argv[1]);
    towbar_scope_push("url", "postgres://bob:%surl@db/x", argv[1]);
    towbar_note(TOWBAR_INFO, "login with password=%snote", argv[1]);
    towbar_note(TOWBAR_INFO, "sent {\"token\": \"%sjson\"}", argv[1]);
    towbar_error("Authorization: Bearer %smessage was refused", argv[1]);
    towbar_error("key AKIA%sEXAMPLEABCDEF is not known", "ZQ"
                                                         "7");
    abort();
}
