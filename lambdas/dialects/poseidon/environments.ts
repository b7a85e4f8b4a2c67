import type { Environment } from "../../runners/runner-pools.ts";
import type { DialectContext } from "../dialect.ts";
import { emptyAnswer, jsonAnswer } from "./answers.ts";
import { givenIn, readWhole } from "./body.ts";
import { type Given, INT32 } from "./given.ts";
import type { PoseidonCore } from "./parts.ts";
import { strictFlag } from "./query.ts";
import { refusal } from "./refusals.ts";
import { callerIn } from "./runner-of.ts";
import { environmentsOfUser } from "./settings.ts";

const IMAGE_CHARACTERS = 255;
const MOST_PORTS = 16;
/** ms that a comparison with the edge is waited for */
const COMPARE_MS = 5_000;

/** GET /execution-environments */
export async function getEnvironments(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const owner = callerIn(c);
  if (strictFlag(c, "fetch")) await core.runners.compare(owner, COMPARE_MS);
  const all = await core.runners.environments(owner);
  return jsonAnswer({ executionEnvironments: all.map(shown) });
}

/** GET /execution-environments/{id} */
export async function getEnvironment(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const owner = callerIn(c);
  const id = environmentId(c);
  if (strictFlag(c, "fetch")) await core.runners.compare(owner, COMPARE_MS);
  const environment = await core.runners.environment(owner, id);
  return environment ? jsonAnswer(shown(environment)) : emptyAnswer(404);
}

/** PUT /execution-environments/{id}: ends all runners of one that is replaced, even when nothing changed. */
export async function putEnvironment(c: DialectContext, core: PoseidonCore): Promise<Response> {
  const body = await readWhole(c);
  const environment = { id: environmentId(c), ...environmentIn(givenIn(body)) };
  const done = await core.runners.put(callerIn(c), environment, environmentsOfUser(core));
  if (done === "full") {
    throw refusal(500, "the edge has as many execution environments as it may", "NOMAD_OVERLOAD");
  }
  if (done === "user-full") {
    throw refusal(500, "you have as many execution environments as a user may", "NOMAD_OVERLOAD");
  }
  return emptyAnswer(done === "created" ? 201 : 204);
}

/** DELETE /execution-environments/{id} */
export async function deleteEnvironment(c: DialectContext, core: PoseidonCore): Promise<Response> {
  await readWhole(c);
  const there = await core.runners.remove(callerIn(c), environmentId(c));
  return emptyAnswer(there ? 204 : 404);
}

/** The values as they are given; `id` in a body is the path's, whatever it says. */
function environmentIn(given: Given): Omit<Environment, "id"> {
  const image = given.text("image");
  if (image.length > IMAGE_CHARACTERS) {
    throw refusal(400, `image must have at most ${IMAGE_CHARACTERS} characters`);
  }
  return {
    image,
    prewarmingPoolSize: given.whole("prewarmingPoolSize", { most: INT32 }),
    cpuLimit: given.number("cpuLimit"),
    memoryLimit: given.whole("memoryLimit", { most: INT32 }),
    networkAccess: given.boolean("networkAccess"),
    exposedPorts: given.wholes("exposedPorts", { least: 1, most: 65_535, count: MOST_PORTS }) ?? null,
  };
}

/** The keys of the contract's page and no others, in its order. */
function shown(environment: Environment): Environment {
  const { id, image, prewarmingPoolSize, cpuLimit, memoryLimit, networkAccess, exposedPorts } = environment;
  return { id, image, prewarmingPoolSize, cpuLimit, memoryLimit, networkAccess, exposedPorts };
}

function environmentId(c: DialectContext): number {
  const id = Number(c.req.param("id"));
  if (!Number.isSafeInteger(id)) throw refusal(400, "the id of the environment must be below 2^53");
  return id;
}
