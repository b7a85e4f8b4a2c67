import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cacheFolder } from "../cache-folder.ts";
import { canInstall, findProgram, installPackages, run } from "../debian-packages.ts";
import { takeLock } from "../file-lock.ts";

/** LocalStack on this machine itself, without a container: its Python, and what it would download at run time. */
export type Installed = { python: string; lib: string };

const HERE = fileURLToPath(new URL(".", import.meta.url));
const PINS = ["python-packages.txt", "dynamodb-local.xml", "java"];
/** The pinned packages need one of these. */
const PYTHONS = ["python3.11", "python3.12", "python3.13"];
const INSTALL_MS = 15 * 60_000;
const DONE = "installed";

/** Where the install of these pins belongs: other pins, another directory. */
export function installDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const hash = createHash("sha256");
  for (const name of PINS) hash.update(readFileSync(join(HERE, name)));
  return join(cacheFolder(env), `localstack-${hash.digest("hex").slice(0, 12)}`);
}

/** Is it there already, so that {@link ensureInstalled} takes no time? */
export function isInstalled(directory = installDirectory()): boolean {
  return existsSync(join(directory, DONE));
}

/**
 * Installs LocalStack from PyPI and DynamoDB Local from Maven, once: one process does it, others wait. About a
 * minute the first time, nothing later.
 * @throws Error that says what is missing
 */
export async function ensureInstalled(
  say: (line: string) => void,
  directory = installDirectory(),
): Promise<Installed> {
  const installed = { python: join(directory, "venv/bin/python"), lib: join(directory, "lib") };
  if (isInstalled(directory)) return installed;
  const lock = await takeLock(`${directory}.lock`, INSTALL_MS);
  if (!lock) throw new Error(`another process has been installing LocalStack in ${directory} for 15 minutes`);
  try {
    if (isInstalled(directory)) return installed;
    await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    await install(directory, say);
    await writeFile(join(directory, DONE), "");
  } finally {
    lock.release();
  }
  return installed;
}

async function install(directory: string, say: (line: string) => void): Promise<void> {
  const python = await findTools(say);
  say("localstack: installing from PyPI (about a minute, once)");
  await run(python, ["-m", "venv", join(directory, "venv")], INSTALL_MS);
  const requirements = join(HERE, "python-packages.txt");
  await run(
    join(directory, "venv/bin/python"),
    ["-m", "pip", "install", "-q", "-r", requirements],
    INSTALL_MS,
  );

  say("localstack: fetching DynamoDB Local from Maven");
  const database = join(directory, "lib/dynamodb-local/2");
  const jars = join(database, "DynamoDBLocal_lib");
  await mkdir(jars, { recursive: true });
  await copyFile(join(HERE, "dynamodb-local.xml"), join(directory, "pom.xml"));
  const copy = ["dependency:copy-dependencies", `-DoutputDirectory=${jars}`, "-DincludeScope=runtime"];
  await run("mvn", ["-q", "-B", "-f", join(directory, "pom.xml"), ...copy], INSTALL_MS);
  if (!readdirSync(jars).some((name) => name.startsWith("DynamoDBLocal-"))) {
    throw new Error(`Maven brought no DynamoDBLocal into ${jars}`);
  }
  // By these two files LocalStack tells that it need not download them.
  await writeFile(join(database, "DynamoDBLocal.jar"), "");
  const bin = join(directory, "lib/java/21/bin");
  await mkdir(bin, { recursive: true });
  await copyFile(join(HERE, "java"), join(bin, "java"));
  await symlink(findProgram("java")!, join(bin, "jvm"));
}

/** Python, Java and Maven, installed where we may. @returns the Python to use */
async function findTools(say: (line: string) => void): Promise<string> {
  const python = () => PYTHONS.map(findProgram).find((path) => path !== undefined);
  const missing = [
    ...(python() ? [] : ["python3", "python3-venv"]),
    ...(findProgram("java") ? [] : ["openjdk-17-jre-headless"]),
    ...(findProgram("mvn") ? [] : ["maven"]),
  ];
  if (missing.length > 0) {
    if (!canInstall()) {
      throw new Error(
        `LocalStack without its container needs ${missing.join(", ")}. Install them, or let Docker pull localstack/localstack, or name a running one in LOCALSTACK_ENDPOINT.`,
      );
    }
    await installPackages(missing, (line) => say(`localstack: ${line}`));
  }
  const found = python();
  if (!found) throw new Error(`LocalStack's packages need one of ${PYTHONS.join(", ")}`);
  return found;
}
