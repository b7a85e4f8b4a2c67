import { setTimeout as sleep } from "node:timers/promises";
import { inject } from "vitest";

type Configuration = { Environment?: { Variables?: Record<string, string> }; LastUpdateStatus?: string };

/** For the emulator to see which service is meant; it takes anybody's signature. */
const SIGNED_FOR_LAMBDA =
  "AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";

/** What the API's Lambda is told by its environment. */
export async function functionEnvironment(): Promise<Record<string, string>> {
  return (await configuration()).Environment?.Variables ?? {};
}

/** Tells it something else: requests from now on meet new processes. */
export async function setFunctionEnvironment(Variables: Record<string, string>): Promise<void> {
  let { LastUpdateStatus } = await configuration({ Environment: { Variables } });
  while (LastUpdateStatus === "InProgress") {
    await sleep(100);
    ({ LastUpdateStatus } = await configuration());
  }
  if (LastUpdateStatus !== "Successful") throw new Error(`the function's update: ${LastUpdateStatus}`);
}

async function configuration(change?: object): Promise<Configuration> {
  const { endpoint, outputs } = inject("deployed");
  const at = `${endpoint}/2015-03-31/functions/${outputs.ApiFunction}/configuration`;
  const answer = await fetch(at, {
    headers: { authorization: SIGNED_FOR_LAMBDA, "content-type": "application/json" },
    ...(change && { method: "PUT", body: JSON.stringify(change) }),
  });
  if (!answer.ok) throw new Error(`the function's configuration: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Configuration;
}
