import { type Compiler, TOOLCHAIN } from "./compiler.ts";
import { directories, needed, started } from "./lines.ts";

export const dockerPython: Compiler = {
  base: "docker",
  language: "python",
  providers: ["docker", "kubernetes"],
  toolchain: "python",
  description: `
HOW TO PREPARE APPLICATION\t
Pack the sources with their libraries beside them: nothing is installed or downloaded.

CONFIGURATION FILES
------ /manifest.yaml ------
main_file: <file that python starts>
runtime_args: <arguments of python> (optional)
ports: <list of ports that the application listens on> (optional)
`,
  dockerfile(sources) {
    const words = ["python3", "-u", ...sources.manifest.runtime_args, needed("main_file", sources)];
    return `FROM ${TOOLCHAIN}\n${directories(sources)}COPY . ./\n${started(words, sources)}`;
  },
};
