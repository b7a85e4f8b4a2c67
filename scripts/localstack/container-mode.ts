import { clientFor, findEngine } from "../docker-engine.ts";
import { until } from "../processes.ts";
import { answers, bridgeAddress } from "./host-mode.ts";

const IMAGE = "localstack/localstack:4.9.2";
const PULL_MS = 5 * 60_000;
/** Without a way to the registry an engine tries for long: this is enough to see that something comes. */
const FIRST_SIGN_MS = 20_000;
const START_MS = 360_000;
const LABEL = "perigee.localstack";

/** LocalStack's image when the engine has it or, with `pull`, can get it. */
export async function usableImage(options: {
  pull: boolean;
  say: (line: string) => void;
}): Promise<string | undefined> {
  const engine = await findEngine();
  if (!("version" in engine)) return undefined;
  const docker = clientFor(engine.host);
  const found = await docker.listImages({ filters: { reference: [IMAGE] } });
  if (found.length > 0) return IMAGE;
  if (!options.pull) return undefined;
  const over = new AbortController();
  const patience = setTimeout(() => over.abort(), FIRST_SIGN_MS);
  try {
    const stream = await docker.pull(IMAGE, { abortSignal: over.signal });
    clearTimeout(patience);
    options.say(`localstack: pulling ${IMAGE}`);
    const late = AbortSignal.timeout(PULL_MS);
    await new Promise<void>((resolve, reject) => {
      late.addEventListener("abort", () => reject(late.reason));
      docker.modem.followProgress(stream, (error: Error | null) => (error ? reject(error) : resolve()));
    });
    return IMAGE;
  } catch {
    options.say(`localstack: ${IMAGE} cannot be pulled`);
    return undefined;
  } finally {
    clearTimeout(patience);
  }
}

/** Runs the image on `port`; Lambdas run beside it in the same engine. @returns the container's name */
export async function runContainer(options: {
  image: string;
  port: number;
  env: Record<string, string>;
}): Promise<string> {
  const { image, port } = options;
  const engine = await findEngine();
  if (!("version" in engine)) throw new Error(engine.detail);
  const docker = clientFor(engine.host);
  const name = `perigee-localstack-${port}`;
  const host = await bridgeAddress();
  const env = {
    GATEWAY_LISTEN: `0.0.0.0:${port}`,
    LOCALSTACK_HOST: `${host}:${port}`,
    SQS_ENDPOINT_STRATEGY: "path",
    S3_SKIP_SIGNATURE_VALIDATION: "0",
    DYNAMODB_IN_MEMORY: "1",
    DISABLE_EVENTS: "1",
    ...options.env,
  };
  const addresses = [...new Set(["127.0.0.1", host])];
  const container = await docker.createContainer({
    name,
    Image: image,
    Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
    ExposedPorts: { [`${port}/tcp`]: {} },
    Labels: { [LABEL]: String(port) },
    HostConfig: {
      AutoRemove: true,
      Binds: ["/var/run/docker.sock:/var/run/docker.sock"],
      PortBindings: { [`${port}/tcp`]: addresses.map((HostIp) => ({ HostIp, HostPort: String(port) })) },
    },
  });
  await container.start();
  if (!(await until(() => answers(port), START_MS))) {
    await removeContainer(name);
    throw new Error(`LocalStack's container does not answer on port ${port}`);
  }
  return name;
}

/** Removes the container of that name. Harmless when there is none. */
export async function removeContainer(name: string): Promise<void> {
  const engine = await findEngine();
  if (!("version" in engine)) return;
  await clientFor(engine.host)
    .getContainer(name)
    .remove({ force: true })
    .catch((error: { statusCode?: number }) => {
      if (error.statusCode !== 404 && error.statusCode !== 409) throw error;
    });
}
