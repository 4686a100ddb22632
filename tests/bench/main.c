/* main.c - towbar-bench [PREFIX...] [--json]: runs the benchmarks whose names begin so.
 *
 * Prints one line for each: a JSON object with --json, else a row for people. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_wanted(const char *name, int argc, char **argv)
{
    int n_prefixes = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            continue;
        n_prefixes++;
        if (strncmp(name, argv[i], strlen(argv[i])) == 0)
            return 1;
    }
    return n_prefixes == 0;
}

static void print_row(const struct bench *bench, const struct bench_round *median)
{
    printf("%-30s %12.3f %-4s", bench->name, median->ours, bench->unit);
    if (median->limit > 0)
        printf("  limit %12.3f  ratio %6.2f", median->limit, median->ours / median->limit);
    for (int i = 0; i < BENCH_PEERS; i++) {
        if (median->peers[i].name)
            printf("  %s %.3f", median->peers[i].name, median->peers[i].value);
    }
    printf("\n");
}

/* The first peer stands in "peer" and "peer_value", all of them in "peers". */
static void print_json(const struct bench *bench, const struct bench_round *median)
{
    printf("{\"name\":\"%s\",\"value\":%.4f,\"unit\":\"%s\"", bench->name, median->ours,
           bench->unit);
    if (median->limit > 0)
        printf(",\"limit\":%.4f,\"ratio\":%.4f", median->limit, median->ours / median->limit);
    int n_peers = 0;
    for (int i = 0; i < BENCH_PEERS; i++) {
        const struct bench_peer *peer = &median->peers[i];
        if (!peer->name)
            continue;
        if (n_peers == 0)
            printf(",\"peer\":\"%s\",\"peer_value\":%.4f,\"peers\":{", peer->name, peer->value);
        printf("%s\"%s\":%.4f", n_peers > 0 ? "," : "", peer->name, peer->value);
        n_peers++;
    }
    printf("%s}\n", n_peers > 0 ? "}" : "");
}

static struct bench_round median_of(const struct bench_round rounds[BENCH_ROUNDS])
{
    double ours[BENCH_ROUNDS];
    double limit[BENCH_ROUNDS];
    struct bench_round median = rounds[0]; /* names of the peers */
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        ours[i] = rounds[i].ours;
        limit[i] = rounds[i].limit;
    }
    median.ours = bench_percentile(ours, BENCH_ROUNDS, 50);
    median.limit = bench_percentile(limit, BENCH_ROUNDS, 50);
    for (int k = 0; k < BENCH_PEERS; k++) {
        double peer[BENCH_ROUNDS];
        for (int i = 0; i < BENCH_ROUNDS; i++)
            peer[i] = rounds[i].peers[k].value;
        median.peers[k].value = bench_percentile(peer, BENCH_ROUNDS, 50);
    }
    return median;
}

static int run(const struct bench *bench, const char *folder, int as_json)
{
    struct bench_round rounds[BENCH_ROUNDS];
    memset(rounds, 0, sizeof(rounds));
    for (int i = 0; i < BENCH_ROUNDS; i++) {
        int err = bench->round(folder, &rounds[i]);
        if (err < 0) {
            fprintf(stderr, "towbar-bench: %s: %s\n", bench->name, strerror(-err));
            return err;
        }
    }
    struct bench_round median = median_of(rounds);
    if (as_json)
        print_json(bench, &median);
    else
        print_row(bench, &median);
    (void)fflush(stdout);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const struct bench *rows;
        const size_t *n;
    } groups[] = {{bench_encode, &bench_encode_n},
                  {bench_append, &bench_append_n},
                  {bench_rate, &bench_rate_n},
                  {bench_read, &bench_read_n},
                  {bench_crash, &bench_crash_n},
                  {bench_wake, &bench_wake_n},
                  {bench_walk, &bench_walk_n},
                  {bench_error, &bench_error_n},
                  {bench_footprint, &bench_footprint_n},
                  {bench_death, &bench_death_n},
                  {bench_group, &bench_group_n},
                  {bench_symbol, &bench_symbol_n},
                  {bench_symbol_item, &bench_symbol_item_n},
                  {bench_ingest, &bench_ingest_n},
                  {bench_pipeline, &bench_pipeline_n},
                  {bench_deliver, &bench_deliver_n},
                  {bench_trace, &bench_trace_n},
                  {bench_agent, &bench_agent_n}};
    int as_json = 0;
    int status = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            as_json = 1;
        } else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: towbar-bench [PREFIX...] [--json]\n");
            return 2;
        }
    }
    char folder[] = "/tmp/towbar-bench.XXXXXX";
    if (!mkdtemp(folder)) {
        perror("towbar-bench: /tmp");
        return 1;
    }
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        for (size_t i = 0; i < *groups[g].n; i++) {
            const struct bench *bench = &groups[g].rows[i];
            if (is_wanted(bench->name, argc, argv) && run(bench, folder, as_json) < 0)
                status = 1;
        }
    }
    bench_remove(folder);
    return status;
}
