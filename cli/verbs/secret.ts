import { existsSync } from "node:fs";
import { join } from "node:path";
import { Argument, type Command } from "commander";
import { usage } from "../failure.ts";
import { dataDirectory } from "../operator-data.ts";
import { action, type Session } from "../session.ts";

/** `perigee secret rotate tokens|seals`: new keys of a ground with its own storage. In AWS they are in Secrets Manager. */
export function registerSecret(program: Command): void {
  program
    .command("secret")
    .description("operator: the keys that the ground signs and seals with")
    .command("rotate")
    .description("operator: make a new key; what the one before signed or sealed holds until the next time")
    .option("--data <directory>", "the ground's data (default: PERIGEE_DATA)")
    .addArgument(
      new Argument("<which>", "of users' tokens, or the one that seals access keys").choices([
        "tokens",
        "seals",
      ]),
    )
    .action(action<["tokens" | "seals"], { data?: string }>(rotate));
}

async function rotate(
  { output }: Session,
  [which]: ["tokens" | "seals"],
  options: { data?: string },
): Promise<undefined> {
  const data = dataDirectory(options.data);
  if (!existsSync(join(data, "secrets.json"))) throw usage(`${data} holds no secrets of a ground`);
  const { rotateSealKey, rotateTokenSecret } = await import("#lambdas/auth/secrets.ts");
  await (which === "tokens" ? rotateTokenSecret(data) : rotateSealKey(data));
  output.result(
    { message: "Key made", data: { which } },
    () => `New key of ${which}: used from the server's next start on`,
  );
}
