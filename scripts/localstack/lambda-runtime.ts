import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type Docker from "dockerode";
import { build } from "esbuild";
import { pack } from "tar-stream";
import { clientFor, findEngine } from "../docker-engine.ts";

const SOURCES = fileURLToPath(new URL("lambda-image", import.meta.url));
/** All of them run on the Node that runs this: LocalStack knows fewer runtimes than AWS. */
const RUNTIMES = ["nodejs20.x", "nodejs22.x", "nodejs24.x"];
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt";
const BUILD_MS = 15 * 60_000;

/** The two programs of the image: LocalStack's counterpart and the runtime client, one file each. */
export type LambdaPrograms = { init: string; bootstrap: string };

export async function lambdaPrograms(): Promise<LambdaPrograms> {
  const { outputFiles } = await build({
    entryPoints: { init: join(SOURCES, "init.ts"), bootstrap: join(SOURCES, "bootstrap.ts") },
    outdir: "/",
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    banner: { js: "#!/usr/local/bin/node" },
    write: false,
  });
  const text = (name: string) => outputFiles.find(({ path }) => path.endsWith(`${name}.js`))!.text;
  return { init: text("init"), bootstrap: text("bootstrap") };
}

/** Name of the image, with LocalStack's placeholder for the tag; another Node or other programs, another name. */
export async function lambdaImageName(programs: LambdaPrograms): Promise<string> {
  const hash = createHash("sha256").update(process.version).update(JSON.stringify(programs));
  return `perigee/lambda-runtime-${hash.digest("hex").slice(0, 12)}:<runtime>`;
}

/** Puts the first process of every Lambda where LocalStack takes it from. */
export async function placeInit(root: string, { init }: LambdaPrograms): Promise<void> {
  for (const machine of ["x86_64", "arm64"]) {
    const path = join(root, machine, "var/rapid/init");
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, init);
    await chmod(path, 0o755);
  }
}

/**
 * Makes the image that Lambdas run in, unless it is there: this Node with its libraries and the two programs.
 * @throws Error when there is no engine
 */
export async function ensureLambdaImage(say: (line: string) => void): Promise<void> {
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(`Lambdas need a Docker engine: ${engine.detail}`);
  const docker = clientFor(engine.host);
  const programs = await lambdaPrograms();
  const [repo] = (await lambdaImageName(programs)).split(":");
  const names = RUNTIMES.map((runtime) => `${repo}:${runtime}`);
  const images = await docker.listImages({ filters: { reference: [repo!] } });
  const tags = new Set(images.flatMap((image) => image.RepoTags ?? []));
  if (names.every((name) => tags.has(name))) return;
  say(`localstack: making ${repo} from Node ${process.version}`);
  await buildImage(docker, names[0]!, programs);
  for (const tag of RUNTIMES.slice(1)) await docker.getImage(names[0]!).tag({ repo: repo!, tag });
}

const DOCKERFILE = `FROM scratch
COPY root/ /
ENV PATH=/usr/local/bin:/bin LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime LANG=en_US.UTF-8 TZ=:UTC
WORKDIR /var/task
ENTRYPOINT ["/var/rapid/init"]
`;

async function buildImage(docker: Docker, tag: string, programs: LambdaPrograms): Promise<void> {
  const tar = pack();
  const add = (name: string, content: string | Buffer, mode = 0o644) => {
    tar.entry({ name, mode }, content as Buffer);
  };
  const fill = async () => {
    add("Dockerfile", DOCKERFILE);
    for (const directory of ["var/task/", "opt/", "root/"]) {
      tar.entry({ name: `root/${directory}`, type: "directory", mode: 0o755 });
    }
    tar.entry({ name: "root/tmp/", type: "directory", mode: 0o1777 });
    add("root/var/rapid/init", programs.init, 0o755);
    add("root/var/runtime/bootstrap", programs.bootstrap, 0o755);
    add("root/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nsbx_user1051:x:993:990::/tmp:/sbin/nologin\n");
    add("root/etc/group", "root:x:0:\n");
    add("root/etc/nsswitch.conf", "hosts: files dns\n");
    if (existsSync(CERTIFICATES)) add(`root${CERTIFICATES}`, await readFile(CERTIFICATES));
    for (const library of await libraries(process.execPath)) {
      add(`root${library}`, await readFile(library), 0o755);
    }
    add("root/usr/local/bin/node", await readFile(await realpath(process.execPath)), 0o755);
    tar.finalize();
  };
  const filling = fill();
  filling.catch((error: Error) => tar.destroy(error));
  const stream: NodeJS.ReadableStream = await docker.buildImage(tar as unknown as NodeJS.ReadableStream, {
    t: tag,
    abortSignal: AbortSignal.timeout(BUILD_MS),
  });
  await filling;
  await new Promise<void>((resolve, reject) => {
    docker.modem.followProgress(stream, (error, events: { error?: string }[]) => {
      const failed = error ?? events.map((event) => event.error).find(Boolean);
      if (failed) reject(failed instanceof Error ? failed : new Error(failed));
      else resolve();
    });
  });
}

/** Absolute paths of the shared libraries that a program loads, the loader included. */
export async function libraries(program: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)("ldd", [program]);
  return [...stdout.matchAll(/(?:=>\s*)?(\/\S+)/g)].map(([, path]) => path!);
}
