import * as z from "zod";
import { PerigeeError } from "#protocol/errors.ts";
import { type Compiler, ROOT, type Sources, TOOLCHAIN } from "./compiler.ts";
import { directories, PLAIN, started, VOLUMES } from "./lines.ts";

const godeps = z.object({ ImportPath: z.string().regex(PLAIN) });

export const dockerGo: Compiler = {
  base: "docker",
  language: "go",
  providers: ["docker", "kubernetes"],
  toolchain: "go",
  check: ["go", "version"],
  description: `
HOW TO PREPARE APPLICATION\t
Pack the main package at the root. With a go.mod: a vendor directory, or no dependencies; nothing is downloaded. Without one
it is built in GOPATH mode, with packages from vendor/ and the import path of Godeps/Godeps.json.

CONFIGURATION FILES
------ /manifest.yaml ------
ports: <list of ports that the application listens on> (optional)
${VOLUMES}`,
  dockerfile(sources) {
    const hasModule = sources.names.includes("go.mod");
    const place = hasModule ? "/src" : `/go/src/${importPath(sources)}`;
    const mode = hasModule ? "GOFLAGS=-trimpath" : "GO111MODULE=off GOPATH=/go";
    const binary = `${ROOT}/program`;
    return `FROM ${TOOLCHAIN} AS build
COPY . ${place}/
RUN cd ${place} && CGO_ENABLED=0 GOTOOLCHAIN=local GOPROXY=off ${mode} go build -buildvcs=false -o /perigee-program .
FROM scratch
${directories(sources)}COPY --from=build /perigee-program ${binary}
${started([binary], sources)}`;
  },
};

function importPath({ read }: Sources): string {
  const text = read("Godeps/Godeps.json")?.toString();
  if (text === undefined) return "program";
  try {
    const { ImportPath } = godeps.parse(JSON.parse(text));
    if (!ImportPath.split("/").includes("..")) return ImportPath;
  } catch {
    // refused as one that leads out
  }
  throw new PerigeeError("SOURCES_REFUSED", "Godeps/Godeps.json: ImportPath: must be an import path");
}
