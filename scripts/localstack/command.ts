import { join } from "node:path";
import { parseArgs } from "node:util";
import { startLocalStack, stopLocalStack } from "./start.ts";

/**
 * `node scripts/localstack/command.ts up [--dir D] [--port P]` starts a LocalStack and leaves it running, `down
 * [--dir D]` stops it. D is `.perigee/localstack` unless told, P a free port.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { dir: { type: "string" }, port: { type: "string" } },
});
const dir = values.dir ?? join(process.cwd(), ".perigee/localstack");
try {
  if (positionals[0] === "up") {
    const port = values.port === undefined ? {} : { port: Number(values.port) };
    const { endpoint } = await startLocalStack({ dir, ...port, lambdas: true, say: console.error });
    console.log(endpoint);
  } else if (positionals[0] === "down") await stopLocalStack(dir);
  else throw new Error("up or down?");
} catch (error) {
  console.error(`localstack: ${(error as Error).message}`);
  process.exitCode = 1;
}
