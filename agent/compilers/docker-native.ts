import { PerigeeError } from "#protocol/errors.ts";
import { LIMITS } from "#protocol/limits.ts";
import { type Compiler, ROOT, type Sources } from "./compiler.ts";
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
ports: <list of ports that the application listens on> (optional; beside what a Dockerfile exposes)
${VOLUMES}`,
  dockerfile(sources) {
    const own = sources.read("Dockerfile");
    if (own && own.length > LIMITS.dockerfileBytes) {
      throw new PerigeeError("SOURCES_REFUSED", `Dockerfile is larger than ${LIMITS.dockerfileBytes} bytes`);
    }
    if (own) return [own.toString(), ...added(sources)].join("\n");
    const binary = sources.manifest.binary_name ?? onlyExecutable(sources);
    if (!sources.read(binary)?.subarray(0, ELF.length).equals(ELF)) {
      throw new PerigeeError("SOURCES_REFUSED", `${binary} is no executable of Linux`);
    }
    return `FROM scratch\n${directories(sources)}COPY . ./\n${started([`${ROOT}/${binary}`], sources)}`;
  },
};

/** Lines after those of a Dockerfile of the user's: what its image starts gets the arguments. */
function added({ manifest, args }: Sources): string[] {
  const lines = [
    ...manifest.ports.map((port) => `EXPOSE ${port}`),
    ...(args.length > 0 ? [`CMD ${JSON.stringify(args)}`] : []),
  ];
  return lines.length > 0 ? [...lines, ""] : [];
}

function onlyExecutable({ names, isExecutable }: Sources): string {
  const found = names.filter((name) => !name.endsWith("/") && isExecutable(name));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  const rule = "manifest.yaml: binary_name: is needed when there is not exactly one executable at the root";
  throw new PerigeeError("SOURCES_REFUSED", rule);
}
