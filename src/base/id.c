/* id.c - see id.h. */
#include "base/id.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"

/* splitmix64 (Steele, Lea, Flood 2014); only where the kernel gives no random bytes. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void tb_id_random(void *out, size_t len)
{
    unsigned char *at = out;
    while (len > 0) {
        ssize_t got = getrandom(at, len, GRND_NONBLOCK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        at += got;
        len -= (size_t)got;
    }
    if (len == 0)
        return;
    uint64_t state = tb_clock_mono_ns() ^ tb_clock_wall_ns() << 20 ^ (uint64_t)getpid() << 40 ^
                     (uint64_t)(uintptr_t)&state;
    while (len > 0) {
        uint64_t word = mix(&state);
        size_t part = len < sizeof(word) ? len : sizeof(word);
        memcpy(at, &word, part);
        at += part;
        len -= part;
    }
}

static void set_version(uint8_t out[TB_UUID_BYTES])
{
    out[6] = (uint8_t)((out[6] & 0x0f) | 0x40);
    out[8] = (uint8_t)((out[8] & 0x3f) | 0x80);
}

void tb_id_uuid(uint8_t out[TB_UUID_BYTES])
{
    tb_id_random(out, TB_UUID_BYTES);
    set_version(out);
}

void tb_id_uuid_of(const uint8_t id[16], uint64_t number, uint8_t out[TB_UUID_BYTES])
{
    uint64_t words[2];
    memcpy(words, id, sizeof(words));
    for (int i = 0; i < 2; i++)
        words[i] ^= mix(&number);
    memcpy(out, words, sizeof(words));
    set_version(out);
}

void tb_hex(const void *data, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *in = data;
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * len] = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int tb_unhex(const char *text, void *out, size_t len)
{
    unsigned char *to = out;
    for (size_t i = 0; i < len; i++) {
        int high = digit(text[2 * i]);
        int low = high < 0 ? -1 : digit(text[2 * i + 1]);
        if (low < 0)
            return -EINVAL;
        to[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

/* Byte positions after which the text form has a dash. */
static int dash_after(int i)
{
    return i == 3 || i == 5 || i == 7 || i == 9;
}

void tb_id_uuid_text(const uint8_t uuid[TB_UUID_BYTES], char out[TB_UUID_TEXT])
{
    for (int i = 0; i < TB_UUID_BYTES; i++) {
        tb_hex(&uuid[i], 1, out);
        out += 2;
        if (dash_after(i))
            *out++ = '-';
    }
    *out = '\0';
}

int tb_id_uuid_parse(const char *text, uint8_t out[TB_UUID_BYTES])
{
    uint8_t uuid[TB_UUID_BYTES];
    for (int i = 0; i < TB_UUID_BYTES; i++) {
        if (tb_unhex(text, &uuid[i], 1) < 0)
            return -EINVAL;
        text += 2;
        if (dash_after(i) && *text++ != '-')
            return -EINVAL;
    }
    if (*text != '\0')
        return -EINVAL;
    memcpy(out, uuid, sizeof(uuid));
    return 0;
}

void tb_id_boot(uint8_t out[16])
{
    char text[TB_UUID_TEXT] = "";
    memset(out, 0, 16);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (read(fd, text, sizeof(text) - 1) == TB_UUID_TEXT - 1)
        (void)tb_id_uuid_parse(text, out); /* zeros stay where it is not a UUID */
    close(fd);
}
