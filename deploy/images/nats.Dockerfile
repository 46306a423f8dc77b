# A stand-in for the official image `nats` (alpine): the server, and a wget for health checks.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN printf '%s\n' '#!/usr/bin/env python3' \
    'import sys, urllib.request' \
    'urllib.request.urlopen(sys.argv[-1], timeout=3)' >/usr/local/bin/wget && \
    chmod 755 /usr/local/bin/wget
COPY nats-server /usr/local/bin/
EXPOSE 4222 8222
ENTRYPOINT ["nats-server"]
