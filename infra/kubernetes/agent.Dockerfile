# The agent, and the registry that stands beside it. From the root of the repository:
#   docker build -f infra/kubernetes/agent.Dockerfile -t perigee-agent .
FROM node:24-bookworm-slim AS build
WORKDIR /opt/perigee
COPY package.json package-lock.json ./
RUN npm ci
COPY . .
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends docker-registry \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/perigee
COPY --from=build /opt/perigee/package.json ./
COPY --from=build /opt/perigee/dist ./dist
COPY --from=build /opt/perigee/node_modules ./node_modules
ENTRYPOINT ["node", "/opt/perigee/dist/agent.mjs"]
