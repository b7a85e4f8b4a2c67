import { spawn } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { isBuiltin } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type Docker from "dockerode";
import { bundle } from "../../../scripts/build.ts";
import { spawnToEnd } from "../cluster/spawn-to-end.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
/** Of the bundle, what the agent's pods and its loaders start. */
const STARTED = /\/(?:agent\.mjs|[\w-]+\.js)$/;
const COMMAND_MS = 360_000;

/**
 * Makes the image of infra/kubernetes/agent.Dockerfile without a base image: this Node, its libraries, the
 * registry's program and the agent's bundle, from this machine. One that is there is left as it is.
 */
export async function makeAgentImage(docker: Docker, name: string, registryProgram: string): Promise<void> {
  if ((await docker.listImages({ filters: { reference: [name] } })).length > 0) return;
  const stage = mkdtempSync(join(tmpdir(), "perigee-agent-image-"));
  try {
    for (const directory of ["etc", "tmp", "usr/bin", "var/lib/perigee", "var/run"]) {
      mkdirSync(join(stage, directory), { recursive: true });
    }
    await addProgram(stage, process.execPath, "/usr/bin/node");
    await addProgram(stage, registryProgram, "/usr/bin/docker-registry");
    writeFileSync(join(stage, "etc/passwd"), "root:x:0:0:root:/:/bin/false\n");
    const target = join(stage, "opt/perigee");
    const packages = packagesOf(await bundle(join(target, "dist")));
    cpSync(join(ROOT, "package.json"), join(target, "package.json"));
    for (const directory of packageDirectories(packages)) {
      cpSync(join(ROOT, directory), join(target, directory), { recursive: true });
      for (const file of readdirSync(join(ROOT, directory))) {
        if (file.endsWith(".node")) await addLibraries(stage, join(ROOT, directory, file));
      }
    }
    await importImage(docker, stage, name);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

async function addProgram(stage: string, program: string, at: string): Promise<void> {
  copyFileSync(realpathSync(program), join(stage, at));
  await addLibraries(stage, program);
}

/** What a program or a native module is linked with, each where the loader looks for it. */
async function addLibraries(stage: string, program: string): Promise<void> {
  const linked = await spawnToEnd("ldd", [program], { timeoutMs: COMMAND_MS }).catch(() => "");
  for (const [, path] of linked.matchAll(/(\/\S+) \(0x/g)) {
    mkdirSync(join(stage, dirname(path!)), { recursive: true });
    copyFileSync(realpathSync(path!), join(stage, path!));
  }
}

/** What the bundle of the agent leaves outside. */
function packagesOf(outputs: Awaited<ReturnType<typeof bundle>>): Set<string> {
  const packages = new Set<string>();
  const read = new Set<string>();
  const visit = (output: string) => {
    if (read.has(output)) return;
    read.add(output);
    for (const { path, external } of outputs[output]?.imports ?? []) {
      if (!external) visit(path);
      else if (!isBuiltin(path)) packages.add(/^(?:@[^/]+\/)?[^/]+/.exec(path)![0]);
    }
  };
  for (const output of Object.keys(outputs)) if (STARTED.test(output)) visit(output);
  return packages;
}

/** Directories below the root of the packages and of all that they need. */
function packageDirectories(packages: Iterable<string>): string[] {
  const found = new Set<string>();
  const visit = (name: string, from: string) => {
    for (let at = from; at.startsWith(ROOT); at = dirname(at)) {
      const directory = join(at, "node_modules", name);
      if (!existsSync(join(directory, "package.json"))) continue;
      if (found.has(directory)) return;
      found.add(directory);
      const { dependencies = {}, optionalDependencies = {} } = JSON.parse(
        readFileSync(join(directory, "package.json"), "utf8"),
      );
      for (const next of Object.keys({ ...dependencies, ...optionalDependencies })) visit(next, directory);
      return;
    }
  };
  for (const name of packages) visit(name, ROOT);
  return [...found].map((directory) => directory.slice(ROOT.length + 1));
}

async function importImage(docker: Docker, stage: string, name: string): Promise<void> {
  const [repo, tag] = name.split(":");
  const tar = spawn("tar", ["-C", stage, "-cf", "-", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const changes = 'ENTRYPOINT ["/usr/bin/node","/opt/perigee/dist/agent.mjs"]';
  const answer = await docker.importImage(tar.stdout, { repo, tag, changes });
  let said = "";
  for await (const chunk of answer) said += chunk;
  if (/"error"/.test(said)) throw new Error(said);
}
