# The ground as one server (docs/deploy.md). What it copies is made by `node scripts/ground-image.ts DIRECTORY`, which
# puts this file beside it: everything is in the bundle, packages too, and nothing in it is of one architecture. So no
# step runs a program, and the image of any architecture is built on any.
ARG BASE=node:24-bookworm-slim
FROM ${BASE}
WORKDIR /opt/perigee
COPY app ./
# the one place that it writes to
COPY --chown=1000:1000 data /var/lib/perigee
USER 1000:1000
ENV PERIGEE_DATA=/var/lib/perigee PERIGEE_HOST=0.0.0.0 PERIGEE_PORT=8080 PERIGEE_TRUST_PROXY=1
EXPOSE 8080
ENTRYPOINT ["node", "--disable-warning=ExperimentalWarning", "/opt/perigee/server.mjs"]
