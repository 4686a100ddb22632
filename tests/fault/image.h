/* image.h - a file of the spool in memory: taken, damaged, put back. */
#ifndef TEST_FAULT_IMAGE_H
#define TEST_FAULT_IMAGE_H

#include "world.h"

struct image {
    char name[128]; /* below the spool */
    uint8_t *bytes; /* owned */
    size_t len;
};

/* The only file in SPOOL/in whose name ends so; it stays where it is. Nonzero: there is none. */
int image_take(const struct world *world, const char *suffix, struct image *out);
/* The file name, below the spool. */
int image_read(const struct world *world, const char *name, struct image *out);
void image_copy(const struct image *from, struct image *out);
void image_done(struct image *image);
/* The file is what the image is, whatever there was. */
int image_put(const struct world *world, const struct image *image);

/* ---- damage, at a place that the seed chooses ---- */

enum damage { FLIPPED_BIT, ZEROED_PAGE, GARBAGE_PAGE, SWAPPED_PAGES, STALE_PAGE, N_DAMAGE };
extern const char *const damage_names[N_DAMAGE];
/* older: an earlier state of the same file, for a stale page. */
void image_damage(struct image *image, enum damage kind, const struct image *older, uint64_t *seed);

#endif
