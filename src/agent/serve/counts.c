/* counts.c - see counts.h. */
#include "agent/serve/counts.h"

const char *tb_input_name(enum tb_ingest_input input)
{
    static const char *const names[TB_N_INPUTS] = {"unix", "http", "tls"};
    return names[input];
}

const char *tb_refusal_name(enum tb_ingest_refusal refusal)
{
    static const char *const names[TB_N_REFUSALS] = {
        "malformed", "invalid", "token", "too_large", "encoding", "slow", "rate", "busy", "spool"};
    return names[refusal];
}

enum tb_ingest_refusal tb_refusal_of(int status)
{
    static const struct {
        int status;
        enum tb_ingest_refusal refusal;
    } all[] = {{400, TB_REFUSED_MALFORMED}, {401, TB_REFUSED_TOKEN},     {403, TB_REFUSED_TOKEN},
               {408, TB_REFUSED_SLOW},      {413, TB_REFUSED_LARGE},     {415, TB_REFUSED_ENCODING},
               {417, TB_REFUSED_MALFORMED}, {422, TB_REFUSED_INVALID},   {429, TB_REFUSED_RATE},
               {431, TB_REFUSED_LARGE},     {501, TB_REFUSED_MALFORMED}, {503, TB_REFUSED_BUSY}};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i].status == status)
            return all[i].refusal;
    return TB_N_REFUSALS;
}
