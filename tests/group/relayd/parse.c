/* parse.c - parsers that call themselves and each other: to a fault at the bottom, or for ever. */
#include "relayd.h"

#include <stdlib.h>
#include <string.h>

/* ---- one function that calls itself ---- */

struct node {
    struct node *left, *right;
    const char *key;
};

static long weigh(const struct node *node)
{
    long weight = (long)strlen(node->key);
    if (node->left != NULL)
        weight += weigh(node->left);
    if (node->right != NULL)
        weight += 2 * weigh(node->right);
    return weight;
}

static struct node *node_new(const char *key, struct node *left, struct node *right)
{
    struct node *node = malloc(sizeof(*node));
    if (node == NULL)
        die("no memory");
    *node = (struct node){left, right, key};
    return node;
}

/* The bad node is as deep as the run is late. */
static void weigh_tree(void)
{
    struct node *tree = node_new(NULL, NULL, NULL);
    for (int i = 0; i < 1 + run_number; i++)
        tree = node_new("key", i % 2 == 0 ? tree : NULL, i % 2 == 0 ? NULL : tree);
    exit((int)weigh(tree));
}

/* ---- three that call each other ---- */

struct input {
    const char *at;
    int n_values;
    const struct codec *codec;
};

static int parse_value(struct input *input);

static int parse_word(struct input *input)
{
    input->at++;
    return input->codec->encode(input->at, 1);
}

static int parse_list(struct input *input)
{
    int n = 0;
    input->at++;
    while (*input->at != ']' && *input->at != '\0')
        n += parse_value(input);
    input->at++;
    return n + 1;
}

static int parse_map(struct input *input)
{
    int n = 0;
    input->at++;
    while (*input->at != '}' && *input->at != '\0')
        n += 3 * parse_value(input);
    input->at++;
    return n + 2;
}

static int parse_value(struct input *input)
{
    int n = 0;
    if (*input->at == '[')
        n = parse_list(input);
    else if (*input->at == '{')
        n = parse_map(input);
    else
        n = parse_word(input);
    input->n_values++;
    return n;
}

static char *nested(const char *pattern, int n)
{
    size_t len = strlen(pattern);
    char *text = calloc((size_t)n + 3, 1);
    if (text == NULL)
        die("no memory");
    for (int i = 0; i < n; i++)
        text[i] = pattern[(size_t)i % len];
    text[n] = 'x';
    return text;
}

int parse(const char *text)
{
    struct input input = {text, 0, NULL};
    return parse_value(&input) + input.n_values;
}

/* The same fault, in a text that is nested more deeply with each run. */
static void parse_unknown_word(void)
{
    exit(parse(nested("[{", 2 + run_number)));
}

/* Which of the three hits the end of the stack depends on the run. */
static void parse_endless(void)
{
    exit(parse(nested(run_number % 2 == 0 ? "[{" : "{[[", 100000 + run_number)));
}

/* ---- overflows ---- */

static int depth_of(const char *text, int depth)
{
    char part[48];
    strncpy(part, text, sizeof(part) - 1);
    part[sizeof(part) - 1] = '\0';
    if (*text != '(')
        return depth;
    int below = depth_of(text + 1, depth + 1);
    return below > part[0] ? below : part[0];
}

static void measure_depth(void)
{
    exit(depth_of(nested("(", 100000), run_number));
}

/* Two that call each other, with a helper at the end that needs much room. */
static int expand(const char *name, int n);

static size_t format_name(char *out, size_t cap, const char *name, int n)
{
    char mem[2000 + 64];
    memset(mem, n, sizeof(mem));
    size_t len = strlen(name);
    mem[len % sizeof(mem)] = '\0';
    memcpy(out, mem, cap < sizeof(mem) ? cap : sizeof(mem));
    return len;
}

static int look_up(const char *name, int n)
{
    char key[64 + 16];
    size_t len = format_name(key, sizeof(key), name, n);
    return expand(name, n + (int)len) + key[0];
}

static int expand(const char *name, int n)
{
    char value[40];
    memset(value, n, sizeof(value));
    int more = look_up(name, n + 1);
    return more + value[n & 31];
}

static void expand_itself(void)
{
    exit(expand("itself", run_number * 3));
}

const struct fault parse_faults[] = {
    {"tree-key", NULL, weigh_tree},          {"parse-word", NULL, parse_unknown_word},
    {"parse-endless", NULL, parse_endless},  {"depth-endless", NULL, measure_depth},
    {"expand-endless", NULL, expand_itself}, {NULL, NULL, NULL}};
