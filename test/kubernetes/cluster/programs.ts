import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { run as runProgram, systemEnvironment } from "../../../scripts/debian-packages.ts";
import { takeLock } from "../../../scripts/file-lock.ts";
import { spawnToEnd } from "./spawn-to-end.ts";

const SOURCES = join(import.meta.dirname, "go");
/** About 14 minutes on two quiet cores; the first build may be left what others do not use. */
const BUILD_MS = 75 * 60_000;
const UNUSED_MS = 7 * 24 * 3600_000;
const FLAGS = "-mod=readonly -trimpath -buildvcs=false";

const KUBERNETES = "1.34.4";
const VERSION = "k8s.io/component-base/version";

/** Folder in `go/` and what the linker is told beside it. One without a main.go builds the tools of its go.mod. */
const PROGRAMS: Record<string, string> = {
  containerd: "",
  kubernetes: [
    `-X ${VERSION}.gitVersion=v${KUBERNETES}`,
    `-X ${VERSION}.gitMajor=${KUBERNETES.split(".")[0]}`,
    `-X ${VERSION}.gitMinor=${KUBERNETES.split(".")[1]}`,
    `-X ${VERSION}.gitTreeState=clean`,
    `-X k8s.io/client-go/pkg/version.gitVersion=v${KUBERNETES}`,
  ].join(" "),
  coredns: "",
  pause: "",
  policy: "",
};

/** What the one Kubernetes binary is called by. */
const NAMES = [
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-proxy",
  "kube-scheduler",
  "kubectl",
  "kubelet",
];

/** Full paths of what the cluster runs. */
export type Programs = { directory: string; path(name: string): string };

/**
 * The cluster's programs, built from pinned sources through the Go module proxy. What was built is kept below
 * `base` under a name made of its sources and of the compiler: a second time takes no time.
 * @throws Error when there is no Go, or with the end of its output
 */
export async function ensurePrograms(base: string, say: (line: string) => void): Promise<Programs> {
  const version = await goVersion();
  const directory = join(base, "programs");
  mkdirSync(directory, { recursive: true });
  const paths = new Map<string, string>();
  const lock = await takeLock(join(directory, "build.lock"), BUILD_MS);
  if (!lock) throw new Error(`another process has been building in ${directory} for too long`);
  try {
    for (const [name, flags] of Object.entries(PROGRAMS)) {
      const target = join(directory, `${name}-${keyOf(name, flags, version)}`);
      if (!existsSync(target)) await build(name, flags, target, say);
      utimesSync(target, new Date(), new Date());
      for (const program of readdirSync(target)) paths.set(program, join(target, program));
    }
    sweep(directory);
  } finally {
    lock.release();
  }
  return {
    directory: join(paths.get("kubernetes")!, ".."),
    path: (name) => {
      const path = paths.get(name);
      if (!path) throw new Error(`no program ${name}`);
      return path;
    },
  };
}

async function build(name: string, flags: string, target: string, say: (line: string) => void) {
  const started = performance.now();
  say(
    `building ${name}${name === "kubernetes" ? `, the first time some minutes (Kubernetes ${KUBERNETES})` : ""}`,
  );
  const part = `${target}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part);
  const what = existsSync(join(SOURCES, name, "main.go")) ? "." : "tool";
  const args = ["build", "-p", "2", "-ldflags", `-s -w ${flags}`.trim(), "-o", `${part}/`, what];
  const env = { ...systemEnvironment(), CGO_ENABLED: "0", GOFLAGS: FLAGS };
  await spawnToEnd("go", args, { cwd: join(SOURCES, name), env, timeoutMs: BUILD_MS });
  if (name === "kubernetes") for (const alias of NAMES) symlinkSync(name, join(part, alias));
  renameSync(part, target);
  say(`built ${name} in ${Math.round((performance.now() - started) / 1000)} s`);
}

/**
 * The tests of the policy engine as a program, kept like the others: `go test` would compile Kubernetes' client once
 * more in every run that finds Go's cache cold.
 */
export async function ensurePolicyTest(base: string, say: (line: string) => void): Promise<string> {
  const version = await goVersion();
  const directory = join(base, "programs");
  mkdirSync(directory, { recursive: true });
  const target = join(directory, `policy-test-${keyOf("policy", "test", version, true)}`);
  const lock = await takeLock(join(directory, "build.lock"), BUILD_MS);
  if (!lock) throw new Error(`another process has been building in ${directory} for too long`);
  try {
    if (!existsSync(target)) {
      say("building the policy engine's tests");
      const env = { ...systemEnvironment(), CGO_ENABLED: "0", GOFLAGS: FLAGS };
      const args = ["test", "-c", "-p", "2", "-o", `${target}.part`, "."];
      await spawnToEnd("go", args, { cwd: join(SOURCES, "policy"), env, timeoutMs: BUILD_MS });
      renameSync(`${target}.part`, target);
    }
    utimesSync(target, new Date(), new Date());
  } finally {
    lock.release();
  }
  return target;
}

/** Builds of other sources go when nobody has used them for a week. */
function sweep(directory: string): void {
  for (const entry of readdirSync(directory)) {
    const path = join(directory, entry);
    if (entry.startsWith("build.lock") || Date.now() - statSync(path).mtimeMs < UNUSED_MS) continue;
    rmSync(path, { recursive: true, force: true });
  }
}

async function goVersion(): Promise<string> {
  try {
    return (await runProgram("go", ["version"], 30_000)).trim();
  } catch (cause) {
    throw new Error(
      "A throwaway cluster is built with Go 1.24.2 or newer, and there is none: install it, or set KUBECONFIG to a cluster",
      { cause },
    );
  }
}

function keyOf(name: string, flags: string, version: string, tests = false): string {
  const hash = createHash("sha256").update(`${version}\n${flags}\n${FLAGS}\n`);
  for (const file of readdirSync(join(SOURCES, name)).sort()) {
    if (file.endsWith("_test.go") && !tests) continue;
    hash.update(`${file}\n`).update(readFileSync(join(SOURCES, name, file)));
  }
  return hash.digest("hex").slice(0, 16);
}
