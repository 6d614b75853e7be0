# The command line docktor as a small image: `docker build -t docktor .`
#
# BASE is any image with Node.js 20 or newer and npm: where nothing can be pulled, one that was built there.
ARG BASE=node:22-slim

FROM ${BASE} AS build
WORKDIR /docktor
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
RUN npx tsc -p tsconfig.build.json && npm prune --omit=dev --no-audit --no-fund

FROM ${BASE}
ENV NODE_ENV=production
WORKDIR /docktor
COPY --from=build /docktor/package.json ./
COPY --from=build /docktor/node_modules node_modules
COPY --from=build /docktor/dist dist
# Nobody in particular: nothing of it needs a name or a home.
USER 65532:65532
ENTRYPOINT ["node", "/docktor/dist/cli/main.js"]
CMD ["--help"]
