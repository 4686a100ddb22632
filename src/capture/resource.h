/* resource.h - what OpenTelemetry's variables say of this program: the last resort behind the
 * options and TOWBAR_*. */
#ifndef TB_CAPTURE_RESOURCE_H
#define TB_CAPTURE_RESOURCE_H

#include <stddef.h>

/* The value of key in text, OTEL_RESOURCE_ATTRIBUTES: "k=v,k=v", values percent-encoded, the last
 * one of a key counts. "" and 0 where it is not there, is malformed, or does not fit; else 1. */
int tb_resource_find(const char *text, const char *key, char *out, size_t cap);
/* Fills those that are still empty from OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES: service
 * from service.name, version from service.version, environment from deployment.environment.name,
 * or deployment.environment as it was called. */
void tb_resource_complete(char *service, size_t service_cap, char *environment,
                          size_t environment_cap, char *version, size_t version_cap);

#endif
