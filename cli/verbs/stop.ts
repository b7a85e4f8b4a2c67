import type { Command } from "commander";
import { settle } from "../follow.ts";
import { withPod } from "../options.ts";
import { safe } from "../output/text.ts";
import { action, type Session } from "../session.ts";

/** `perigee stop`: stops a pod gracefully, or cancels a scheduled one. */
export function registerStop(program: Command): void {
  const verb = program.command("stop").description("stop a pod gracefully, or cancel a scheduled one");
  withPod(verb).action(action<[], { pod?: string }>(stop));
}

async function stop({ client, output }: Session, _: [], { pod }: { pod?: string }): Promise<undefined> {
  const patience = client.patience();
  const answer = await client.whenFree(
    { method: "POST", path: "/em/pod/stop", json: { pod_name: pod } },
    patience,
  );
  const body = await settle(client, answer, patience, () => ({ message: "Pod stopped successfully" }));
  output.result(body, () => `Stopped ${safe(pod ?? "your default pod")}`);
}
