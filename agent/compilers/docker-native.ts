import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { type Compiler, ROOT } from "./compiler.ts";
import { directories, started, VOLUMES } from "./lines.ts";

const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46]);

export const dockerNative: Compiler = {
  base: "docker",
  language: "native",
  providers: ["docker", "kubernetes"],
  description: `
HOW TO PREPARE APPLICATION\t
Pack one static executable with the files that it reads, or a Dockerfile with its context. Nothing is pulled: FROM finds
your own images and the public ones of this edge.

CONFIGURATION FILES
------ /manifest.yaml ------
binary_name: <the executable> (optional when it is the only one at the root; not with a Dockerfile)
ports: <list of ports that the application listens on> (optional; not with a Dockerfile)
${VOLUMES}`,
  dockerfile(sources) {
    const own = sources.read("Dockerfile")?.toString();
    if (own !== undefined && own.length > LIMITS.dockerfileBytes) {
      throw new PerigeeError("SOURCES_REFUSED", `Dockerfile is larger than ${LIMITS.dockerfileBytes} bytes`);
    }
    // what the image starts gets the arguments
    if (own !== undefined) {
      return sources.args.length > 0 ? `${own}\nCMD ${JSON.stringify(sources.args)}\n` : own;
    }
    const binary = sources.manifest.binary_name ?? onlyExecutable(sources);
    if (!sources.read(binary)?.subarray(0, ELF.length).equals(ELF)) {
      throw new PerigeeError("SOURCES_REFUSED", `${binary} is no executable of Linux`);
    }
    return `FROM scratch\n${directories(sources)}COPY . ./\n${started([`${ROOT}/${binary}`], sources)}`;
  },
};

function onlyExecutable({ names, isExecutable }: Parameters<Compiler["dockerfile"]>[0]): string {
  const found = names.filter((name) => !name.endsWith("/") && isExecutable(name));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const rule = "manifest.yaml: binary_name: is needed when there is not exactly one executable at the root";
  throw new PerigeeError("SOURCES_REFUSED", rule);
}
