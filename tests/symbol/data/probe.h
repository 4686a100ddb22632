/* probe.h - see probe.c. */
#ifdef __cplusplus
extern "C" {
#endif
void probe(void);
#ifdef __cplusplus
}
#endif
