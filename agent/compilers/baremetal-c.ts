import { PerigeeError } from "#protocol/errors.ts";
import { BAREMETAL_PROGRAM } from "#protocol/machines.ts";
import { type Compiler, TOOLCHAIN } from "./compiler.ts";
import { started } from "./lines.ts";

export const baremetalC: Compiler = {
  base: "baremetal",
  language: "c",
  providers: ["qemu"],
  machine: "baremetal",
  // no check: the image is our own, and of this very version
  toolchain: "vm",
  description: `
HOW TO PREPARE APPLICATION\t
Pack *.c files (and *.h) that make one program with main. It is linked with a C library and our start code to one file
that runs on a virtual AArch64 machine without an operating system. What it has: arguments, getenv, printf to the log,
memory, the time, exit with its code. What it has not: files, network, signals, threads; standard input is at its end.

CONFIGURATION FILES
------ /manifest.yaml ------
(optional; nothing in it is needed)
`,
  dockerfile(sources) {
    if (sources.mountPoints.length > 0) {
      throw new PerigeeError("SOURCES_REFUSED", "a baremetal program has no files, and so no mount points");
    }
    if (!sources.names.some((name) => name.endsWith(".c"))) {
      throw new PerigeeError("SOURCES_REFUSED", "there is no *.c file at the root");
    }
    return `FROM ${TOOLCHAIN} AS build
COPY . /src/
RUN cd /src && mkdir /image && sh /usr/lib/perigee/aarch64/baremetal-cc ${BAREMETAL_PROGRAM} *.c
FROM scratch
COPY --from=build ${BAREMETAL_PROGRAM} ${BAREMETAL_PROGRAM}
${started(["program"], sources)}`;
  },
};
