import { PerigeeError } from "#protocol/errors.ts";
import { type Compiler, ROOT, type Sources, TOOLCHAIN } from "./compiler.ts";
import { directories, needed, started, VOLUMES } from "./lines.ts";

export const dockerJava: Compiler = {
  base: "docker",
  language: "java",
  providers: ["docker", "kubernetes"],
  toolchain: "java",
  check: ["java", "-version"],
  description: `
HOW TO PREPARE APPLICATION\t
Pack a jar, or a war that java -jar can run; or sources with a command that makes one. Nothing is downloaded.

CONFIGURATION FILES
------ /manifest.yaml ------
main_file: <the jar or war> (optional when it is the only one at the root; needed with a build_command)
build_command: <command that makes it, run by a shell in the sources' root> (optional)
runtime_args: <arguments of java> (optional)
ports: <list of ports that the application listens on> (optional)
${VOLUMES}`,
  dockerfile(sources) {
    const { build_command: command, runtime_args } = sources.manifest;
    const jar = command === undefined ? givenJar(sources) : needed("main_file", sources);
    const words = ["java", ...runtime_args, "-jar", jar];
    if (command === undefined) {
      return `FROM ${TOOLCHAIN}\n${directories(sources)}COPY ${jar} ${ROOT}/${jar}\n${started(words, sources)}`;
    }
    return `FROM ${TOOLCHAIN} AS build
WORKDIR /src
COPY . ./
RUN ${JSON.stringify(["/bin/sh", "-c", command])}
FROM ${TOOLCHAIN}
${directories(sources)}COPY --from=build /src/${jar} ${ROOT}/${jar}
${started(words, sources)}`;
  },
};

function givenJar({ manifest, names }: Sources): string {
  if (manifest.main_file !== undefined) return manifest.main_file;
  const found = names.filter((name) => /^[A-Za-z0-9._+@-]+\.(jar|war)$/.test(name));
  if (found.length === 1) return found[0]!;
  const rule = "manifest.yaml: main_file: is needed when there is not exactly one jar or war at the root";
  throw new PerigeeError("SOURCES_REFUSED", rule);
}
