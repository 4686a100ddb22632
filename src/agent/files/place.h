/* place.h - how far each file was read, as it is kept: the text of STATE/files/places.
 *
 *   towbar files 1
 *   watched SOURCE                                  for each path of logs watched before
 *   ID DEV INO BTIME OFFSET SKIPS CHECK SOURCE SEEN PATH
 *   end CRC                                         CRC-32C of all before
 *
 * Numbers are decimal, ID CHECK SOURCE and CRC hexadecimal; in PATH what is no visible ASCII, and
 * "%", is %XX. What does not read so as a whole is not used. Pure. */
#ifndef TB_AGENT_FILES_PLACE_H
#define TB_AGENT_FILES_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/id.h"

enum { TB_PLACES_MAX = 4096, TB_PLACES_WATCHED_MAX = 1024, TB_PLACES_BYTES = 64 << 20 };

struct tb_place {
    uint8_t id[16];    /* random: of this file, from its beginning to its truncation */
    uint64_t dev, ino; /* as they were when it was looked at last */
    uint64_t born_ns;  /* its birth time; 0: the file system has none */
    uint64_t offset;   /* where the next line begins */
    bool skips;        /* the rest of a line that was too long stands there */
    uint64_t check;    /* of the bytes at its beginning and before offset */
    uint32_t source;   /* tb_place_source of the path that it was found by */
    uint64_t seen_s;   /* wall clock: when it was last there */
    char *path;        /* owned */
};

struct tb_places {
    struct tb_place *list; /* owned */
    size_t n;
    uint32_t *watched; /* owned */
    size_t n_watched;
};

/* What a path of the settings is called here; kind is "r" or "l". */
uint32_t tb_place_source(char kind, const char *path);
void tb_places_write(const struct tb_places *places, struct tb_buf *out);
/* 0; -EBADMSG; -ENOMEM. Free with tb_places_done, whatever came back. */
int tb_places_read(const char *text, size_t len, struct tb_places *out);
void tb_places_done(struct tb_places *places);
/* The uuid of what stands at offset in the file (RFC 4122 version 5, SHA-1, over id, offset and
 * text). 0 or -ENOMEM. */
int tb_place_uuid(const uint8_t id[16], uint64_t offset, const void *text, size_t len,
                  uint8_t out[TB_UUID_BYTES]);

#endif
