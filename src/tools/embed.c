/* embed.c - build-time generator: files as a C table of struct tb_asset (web/assets.h).
 *
 * embed OUT.c FILE... writes one entry for each file, named by its last part. */
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { PER_LINE = 20, FILES_MAX = 32 };

struct file {
    const char *name;
    const char *type;
    uint64_t hash;
};

static const char *type_of(const char *name)
{
    static const char *const TYPES[][2] = {{".css", "text/css; charset=utf-8"},
                                           {".js", "text/javascript; charset=utf-8"},
                                           {".svg", "image/svg+xml"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof(TYPES) / sizeof(TYPES[0]); i++)
        if (strcmp(dot, TYPES[i][0]) == 0)
            return TYPES[i][1];
    return NULL;
}

static int fail(const char *name, const char *why)
{
    (void)fprintf(stderr, "embed: %s: %s\n", name, why);
    return -1;
}

/* The bytes of one file as an array; its hash is FNV-1a with 64 bits. */
static int write_data(FILE *out, const char *path, size_t number, struct file *file)
{
    FILE *in = fopen(path, "rbe");
    size_t n = 0;
    int c;
    if (in == NULL)
        return fail(path, strerror(errno));
    file->hash = 0xcbf29ce484222325U;
    (void)fprintf(out, "static const unsigned char data_%zu[] = {", number);
    while ((c = getc(in)) != EOF) {
        (void)fprintf(out, "%s%d,", n++ % PER_LINE == 0 ? "\n    " : " ", c);
        file->hash = (file->hash ^ (unsigned char)c) * 0x100000001b3U;
    }
    (void)fprintf(out, "\n};\n\n");
    (void)fclose(in);
    return n > 0 ? 0 : fail(path, "is empty");
}

static int write_all(FILE *out, char **paths, size_t n)
{
    struct file files[FILES_MAX];
    (void)fprintf(out, "/* Made by embed from src/web/assets. */\n#include \"web/assets.h\"\n\n");
    for (size_t i = 0; i < n; i++) {
        const char *slash = strrchr(paths[i], '/');
        files[i].name = slash != NULL ? slash + 1 : paths[i];
        files[i].type = type_of(files[i].name);
        if (files[i].type == NULL)
            return fail(paths[i], "has no known type");
        if (write_data(out, paths[i], i, &files[i]) < 0)
            return -1;
    }
    (void)fprintf(out, "const struct tb_asset tb_assets[] = {\n");
    for (size_t i = 0; i < n; i++)
        (void)fprintf(
            out, "    {\"/%s\", \"%s\", \"\\\"%016" PRIx64 "\\\"\", data_%zu, sizeof(data_%zu)},\n",
            files[i].name, files[i].type, files[i].hash, i, i);
    (void)fprintf(out, "};\nconst size_t tb_n_assets = %zu;\n", n);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc - 2 > FILES_MAX) {
        (void)fail("usage", "embed OUT.c FILE...");
        return 2;
    }
    FILE *out = fopen(argv[1], "we");
    if (out == NULL) {
        (void)fail(argv[1], strerror(errno));
        return 1;
    }
    int err = write_all(out, argv + 2, (size_t)argc - 2);
    if (fclose(out) != 0)
        err = fail(argv[1], strerror(errno));
    return err < 0 ? 1 : 0;
}
