import { type Compiler, TOOLCHAIN } from "./compiler.ts";
import { directories, needed, started, VOLUMES } from "./lines.ts";

export const dockerNodejs: Compiler = {
  base: "docker",
  language: "nodejs",
  providers: ["docker", "kubernetes"],
  toolchain: "nodejs",
  check: ["node", "--version"],
  description: `
HOW TO PREPARE APPLICATION\t
Pack the sources with their node_modules: nothing is installed or downloaded.

CONFIGURATION FILES
------ /manifest.yaml ------
main_file: <file that node starts>
runtime_args: <arguments of node> (optional)
ports: <list of ports that the application listens on> (optional)
${VOLUMES}`,
  dockerfile(sources) {
    const words = ["node", ...sources.manifest.runtime_args, needed("main_file", sources)];
    return `FROM ${TOOLCHAIN}\n${directories(sources)}COPY . ./\n${started(words, sources)}`;
  },
};
