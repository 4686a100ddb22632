/* bench_deliver.c - items of 2 KiB to a Rollbar over TLS.
 *
 * Ours is the delivery thread as the agent starts it, on a database that is full of rows: with all
 * its looks, verdicts and commits. The limit is a bare curl multi with as many handles, which sends
 * the same bytes to the same server process and stores nothing. The peer makes a new connection for
 * each item, as the SDKs do. Within a round they take turns, the other way round each time. */
#include "bench.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/deliver/sinks.h"
#include "base/clock.h"
#include "tls_server.h"

enum {
    CONNECTIONS = 32,
    ITEM_BYTES = 2048,
    ITEMS = 6000,
    SLOW_ITEMS = 5000,
    SLOW_MS = 50,
    PEER_ITEMS = 60,
    PATIENCE_S = 30,
    BODY_ROOM = ITEM_BYTES + 64,
};

static char token[] = "00112233445566778899aabbccddeeff";

/* What one run took. */
struct took {
    double seconds, cpu_us; /* of this process */
};

static double cpu_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static size_t make_data(char out[BODY_ROOM], int number)
{
    static const char TAIL[] = "\"}}}";
    size_t len = (size_t)snprintf(out, BODY_ROOM,
                                  "{\"uuid\":\"00000000-0000-4000-8000-%012d\",\"environment\":"
                                  "\"bench\",\"body\":{\"message\":{\"body\":\"",
                                  number);
    memset(out + len, 'x', ITEM_BYTES - len - (sizeof(TAIL) - 1));
    memcpy(out + ITEM_BYTES - (sizeof(TAIL) - 1), TAIL, sizeof(TAIL));
    return ITEM_BYTES;
}

/* ---- ours ---- */

static int fill(const char *folder, int n_items)
{
    static const struct tb_outbox_to SINKS[] = {{"rollbar", ""}};
    struct tb_store *store = NULL;
    char why[TB_STORE_WHY];
    char data[BODY_ROOM];
    char uuid[37];
    int err = tb_store_open(folder, TB_STORE_WRITE, &store, why);
    if (err == 0)
        err = tb_store_begin(store);
    for (int i = 0; i < n_items && err == 0; i++) {
        (void)snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012d", i);
        struct tb_occurrence one = {.uuid = uuid,
                                    .fingerprint = "f",
                                    .environment = "bench",
                                    .service = "s",
                                    .title = "t",
                                    .level = "error",
                                    .framework = "",
                                    .trace_id = "",
                                    .xray_trace_id = "",
                                    .span_id = "",
                                    .group_inputs = "{}",
                                    .class_ = 1,
                                    .received_ns = tb_clock_wall_ns(),
                                    .data = data,
                                    .data_len = make_data(data, i)};
        err = tb_store_add(store, &one, SINKS, 1);
    }
    if (err == 0)
        err = tb_store_commit(store);
    tb_store_close(store);
    return err;
}

static int wait_sent(struct tb_deliver *deliver, int64_t n_items)
{
    struct tb_deliver_status status = {0};
    double until_us = bench_us() + PATIENCE_S * 1e6;
    while (status.sent < n_items && bench_us() < until_us) {
        /* Not by the condition: waking this thread each time would be counted as ours. */
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
        tb_deliver_status(deliver, &status);
    }
    if (status.sent == n_items)
        return 0;
    fprintf(stderr, "towbar-bench: sent %lld of %lld: %s\n", (long long)status.sent,
            (long long)n_items, status.last_error);
    return -ETIMEDOUT;
}

static int start_rollbar(const struct tb_config *config, struct tb_deliver **out,
                         char why[TB_STORE_WHY])
{
    struct tb_deliver_sink sink;
    tb_sinks_rollbar(config, &sink);
    return tb_deliver_start(config, &sink, out, why);
}

static int run_ours(const char *parent, struct bench_tls *server, int n_items, struct took *out)
{
    char folder[BENCH_PATH];
    char why[TB_STORE_WHY] = "";
    struct tb_deliver *deliver = NULL;
    int err = bench_folder(parent, folder);
    if (err == 0)
        err = fill(folder, n_items);
    if (err < 0)
        return err;
    struct tb_config config = {.state_dir = folder,
                               .endpoint = server->url,
                               .token = token,
                               .ca_file = server->ca_file,
                               .timeout_ms = 15000,
                               .retry_min_ms = 1000,
                               .retry_max_ms = 300000,
                               .connections = CONNECTIONS};
    double start_us = bench_us();
    double start_cpu_us = cpu_us();
    err = start_rollbar(&config, &deliver, why);
    if (err == 0)
        err = wait_sent(deliver, n_items);
    else
        fprintf(stderr, "towbar-bench: %s\n", why);
    out->seconds = (bench_us() - start_us) / 1e6;
    out->cpu_us = (cpu_us() - start_cpu_us) / n_items;
    tb_deliver_stop(deliver, 0);
    bench_remove(folder);
    return err;
}

/* ---- the limit and the peer ---- */

static size_t ignore(char *data, size_t size, size_t n, void *arg)
{
    (void)data;
    (void)arg;
    return size * n;
}

static CURL *make_handle(const struct bench_tls *server, struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    (void)curl_easy_setopt(easy, CURLOPT_URL, server->url);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    (void)curl_easy_setopt(easy, CURLOPT_CAINFO, server->ca_file);
    (void)curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    (void)curl_easy_setopt(easy, CURLOPT_POST, 1L);
    return easy;
}

static struct curl_slist *make_headers(void)
{
    char line[96];
    (void)snprintf(line, sizeof(line), "X-Rollbar-Access-Token: %s", token);
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    headers = curl_slist_append(headers, "Content-Type: application/json");
    return curl_slist_append(headers, line);
}

static size_t make_body(char out[BODY_ROOM], int number)
{
    char data[BODY_ROOM];
    (void)make_data(data, number);
    return (size_t)snprintf(out, BODY_ROOM, "{\"data\":%s}", data);
}

struct bare {
    CURLM *multi;
    CURL *handles[CONNECTIONS];
    char bodies[CONNECTIONS][BODY_ROOM];
    int n_begun, n_done, n_items;
};

static void begin(struct bare *bare, CURL *easy)
{
    if (bare->n_begun == bare->n_items)
        return;
    char *body = NULL;
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, &body);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)make_body(body, bare->n_begun++));
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    (void)curl_multi_add_handle(bare->multi, easy);
}

static int turn(struct bare *bare)
{
    int n_running = 0;
    int n_left = 0;
    CURLMsg *message;
    if (curl_multi_perform(bare->multi, &n_running) != CURLM_OK)
        return -EIO;
    while ((message = curl_multi_info_read(bare->multi, &n_left))) {
        CURL *easy = message->easy_handle;
        long status = 0;
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (message->data.result != CURLE_OK || status != 200)
            return -EIO;
        (void)curl_multi_remove_handle(bare->multi, easy);
        bare->n_done++;
        begin(bare, easy);
    }
    return bare->n_done < bare->n_items &&
                   curl_multi_poll(bare->multi, NULL, 0, 1000, NULL) != CURLM_OK
               ? -EIO
               : 0;
}

static int run_bare(const struct bench_tls *server, int n_items, struct took *out)
{
    static struct bare bare;
    struct curl_slist *headers = make_headers();
    int err = 0;
    memset(&bare, 0, sizeof(bare));
    bare.n_items = n_items;
    double start_us = bench_us();
    double start_cpu_us = cpu_us();
    bare.multi = curl_multi_init();
    (void)curl_multi_setopt(bare.multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS);
    for (int i = 0; i < CONNECTIONS; i++) {
        bare.handles[i] = make_handle(server, headers);
        (void)curl_easy_setopt(bare.handles[i], CURLOPT_PRIVATE, bare.bodies[i]);
        begin(&bare, bare.handles[i]);
    }
    while (bare.n_done < n_items && err == 0)
        err = turn(&bare);
    out->seconds = (bench_us() - start_us) / 1e6;
    out->cpu_us = (cpu_us() - start_cpu_us) / n_items;
    for (int i = 0; i < CONNECTIONS; i++) {
        (void)curl_multi_remove_handle(bare.multi, bare.handles[i]);
        curl_easy_cleanup(bare.handles[i]);
    }
    (void)curl_multi_cleanup(bare.multi);
    curl_slist_free_all(headers);
    return err;
}

static int run_peer(const struct bench_tls *server, int n_items, struct took *out)
{
    struct curl_slist *headers = make_headers();
    char body[BODY_ROOM];
    int err = 0;
    double start_us = bench_us();
    double start_cpu_us = cpu_us();
    for (int i = 0; i < n_items && err == 0; i++) {
        CURL *easy = make_handle(server, headers);
        long status = 0;
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)make_body(body, i));
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        if (curl_easy_perform(easy) != CURLE_OK)
            err = -EIO;
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        if (status != 200)
            err = -EIO;
        curl_easy_cleanup(easy);
    }
    out->seconds = (bench_us() - start_us) / 1e6;
    out->cpu_us = (cpu_us() - start_cpu_us) / n_items;
    curl_slist_free_all(headers);
    return err;
}

/* ---- the benchmarks ---- */

struct three {
    struct took ours, bare, peer;
};

static int run_three(const char *folder, unsigned delay_ms, int n_items, struct three *out)
{
    static unsigned n_rounds;
    struct bench_tls server = {0};
    bool is_reversed = n_rounds++ % 2 == 1;
    (void)setenv("no_proxy", "localhost", 1);
    int err = bench_tls_start(folder, delay_ms, &server);
    if (err < 0)
        return err;
    if (is_reversed)
        err = run_bare(&server, n_items, &out->bare);
    if (err == 0)
        err = run_ours(folder, &server, n_items, &out->ours);
    if (err == 0 && !is_reversed)
        err = run_bare(&server, n_items, &out->bare);
    if (err == 0)
        err = run_peer(&server, PEER_ITEMS, &out->peer);
    bench_tls_stop(&server);
    return err;
}

static int rate(const char *folder, unsigned delay_ms, int n_items, struct bench_round *out)
{
    struct three three;
    int err = run_three(folder, delay_ms, n_items, &three);
    if (err < 0)
        return err;
    out->ours = n_items / three.ours.seconds;
    out->limit = n_items / three.bare.seconds;
    out->peers[0] = (struct bench_peer){"a connection per item", PEER_ITEMS / three.peer.seconds};
    return 0;
}

static int tls(const char *folder, struct bench_round *out)
{
    return rate(folder, 0, ITEMS, out);
}

static int slow(const char *folder, struct bench_round *out)
{
    return rate(folder, SLOW_MS, SLOW_ITEMS, out);
}

static int cpu(const char *folder, struct bench_round *out)
{
    struct three three;
    int err = run_three(folder, 0, ITEMS, &three);
    if (err < 0)
        return err;
    out->ours = three.ours.cpu_us;
    out->limit = three.bare.cpu_us;
    out->peers[0] = (struct bench_peer){"a connection per item", three.peer.cpu_us};
    return 0;
}

const struct bench bench_deliver[] = {
    {"deliver.tls.32", "/s", tls},
    {"deliver.slow.32", "/s", slow},
    {"deliver.cpu", "us", cpu},
};
const size_t bench_deliver_n = sizeof(bench_deliver) / sizeof(bench_deliver[0]);
