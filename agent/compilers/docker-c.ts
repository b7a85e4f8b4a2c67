import { PerigeeError } from "#protocol/errors.ts";
import { type Compiler, ROOT, TOOLCHAIN } from "./compiler.ts";
import { directories, needed, started, VOLUMES } from "./lines.ts";

export const dockerC: Compiler = {
  base: "docker",
  language: "c",
  providers: ["docker", "kubernetes"],
  toolchain: "c",
  check: [
    "sh",
    "-c",
    "echo 'int main(void) { return 0; }' > /tmp/x.c && cc -static -o /tmp/x /tmp/x.c && /tmp/x && make --version",
  ],
  description: `
HOW TO PREPARE APPLICATION\t
Pack a Makefile with what it needs, or *.c files that make one program. It is linked statically.

CONFIGURATION FILES
------ /manifest.yaml ------
binary_name: <what the Makefile makes> (needed with a Makefile)
ports: <list of ports that the application listens on> (optional)
${VOLUMES}`,
  dockerfile(sources) {
    const hasMakefile = sources.names.some((name) => /^(GNUm|M|m)akefile$/.test(name));
    if (!hasMakefile && !sources.names.some((name) => name.endsWith(".c"))) {
      throw new PerigeeError("SOURCES_REFUSED", "there is neither a Makefile nor a *.c file at the root");
    }
    const binary = hasMakefile ? needed("binary_name", sources) : (sources.manifest.binary_name ?? "program");
    const make = hasMakefile ? "LDFLAGS=-static make" : `cc -O2 -static -o ${binary} *.c`;
    return `FROM ${TOOLCHAIN} AS build
COPY . /src/
RUN cd /src && ${make}
FROM scratch
${directories(sources)}COPY --from=build /src/${binary} ${ROOT}/${binary}
${started([`${ROOT}/${binary}`], sources)}`;
  },
};
