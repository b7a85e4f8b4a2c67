import { type Compiler, ROOT, type Sources, TOOLCHAIN } from "./compiler.ts";
import { directories, needed, started, VOLUMES } from "./lines.ts";

export const dockerPython: Compiler = {
  base: "docker",
  language: "python",
  providers: ["docker", "kubernetes"],
  toolchain: "python",
  check: ["python3", "-c", "import json, socket"],
  description: `
HOW TO PREPARE APPLICATION\t
Pack the sources with their libraries beside them, or under lib/python3*/site-packages: nothing is installed or downloaded.

CONFIGURATION FILES
------ /manifest.yaml ------
main_file: <file that python starts>
runtime_args: <arguments of python> (optional)
ports: <list of ports that the application listens on> (optional)
${VOLUMES}`,
  dockerfile(sources) {
    const words = ["python3", "-u", ...sources.manifest.runtime_args, needed("main_file", sources)];
    return `FROM ${TOOLCHAIN}\n${directories(sources)}COPY . ./\n${path(sources)}${started(words, sources)}`;
  },
};

/** Where libraries are that were installed beneath the sources. */
function path({ namesIn }: Sources): string {
  const places = namesIn("lib")
    .filter((name) => /^python3[0-9.]*\/$/.test(name))
    .map((name) => `lib/${name}site-packages`)
    .filter((place) => namesIn(place).length > 0);
  return places.length > 0 ? `ENV PYTHONPATH=${places.map((place) => `${ROOT}/${place}`).join(":")}\n` : "";
}
