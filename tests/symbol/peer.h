/* peer.h - for the tests of src/symbol: what addr2line of binutils says of the frames of a
 * subject's main program, from a file that has all debug data. After support.h. */
#ifndef TB_TESTS_SYMBOL_PEER_H
#define TB_TESTS_SYMBOL_PEER_H

enum { PEER_LINE = 1024 };

/* The next frame of its output: function, then FILE:LINE. */
static inline void expect_peer_frame(FILE *said, const cJSON *frame)
{
    char function[PEER_LINE];
    char place[PEER_LINE];
    assert_non_null(fgets(function, sizeof(function), said));
    assert_non_null(fgets(place, sizeof(place), said));
    function[strcspn(function, "\n")] = '\0';
    char *more = strstr(place, " (discriminator");
    place[more ? (size_t)(more - place) : strcspn(place, "\n")] = '\0';
    char *colon = strrchr(place, ':');
    assert_non_null(colon);
    *colon = '\0';
    assert_string_equal(text_of(frame, "method"), function);
    assert_string_equal(text_of(frame, "filename"), place);
    assert_int_equal(number_of(frame, "lineno"), (int)strtol(colon + 1, NULL, 10));
}

/* Every frame of the answer that is in the main program is one that addr2line shows for full, in
 * the same order. Returns how many there are. */
static inline int expect_as_addr2line(const cJSON *answer, const struct subject *s,
                                      const char *full)
{
    char output[600];
    char text[SUBJECT_ADDRESSES_MAX][32];
    const char *argv[SUBJECT_ADDRESSES_MAX + 6] = {"addr2line", "-ifC", "-e", full};
    int n_args = 4;
    for (size_t i = 0; i < s->n_addresses; i++) {
        const struct tb_module *module = tb_process_module(&s->process, s->addresses[i]);
        if (!module || !(module->flags & TB_MODULE_MAIN))
            continue;
        (void)snprintf(text[i], sizeof(text[i]), "0x%llx",
                       (unsigned long long)(s->addresses[i] - module->bias - 1));
        argv[n_args++] = text[i];
    }
    (void)snprintf(output, sizeof(output), "%s/addr2line.out", folder);
    int fd = open(output, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(run_to(fd, argv), 0);
    lseek(fd, 0, SEEK_SET);
    FILE *said = fdopen(fd, "r");
    assert_non_null(said);
    int n = n_frames_of(answer);
    for (int i = 0; i < n; i++)
        expect_peer_frame(said, frame_at(answer, i));
    fclose(said);
    return n;
}

#endif
