import { membersOf, membersOfValue } from "./json-members.ts";
import { REFUSALS } from "./refusals.ts";
import { type Registration, RULES, registrationOf } from "./rules.ts";

/**
 * What a registration asks for.
 * @throws 400 Common.0002 for an empty body, Ecs.0005 with the field and the rule that is broken
 */
export function readRegistration(body: Uint8Array): Registration {
  const given = memberObject(body, "fpga_image");
  const broken = RULES.find(({ holds }) => !holds(given));
  if (broken) throw REFUSALS.rule(`fpga_image.${broken.field}`, broken.rule);
  return registrationOf(given);
}

export const CONTAINER_IMAGE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const CONTAINER_IMAGE_RULE = "is a UUID in lower case";

/**
 * The container image of an association.
 * @throws 400 as {@link readRegistration}
 */
export function readAssociation(body: Uint8Array): string {
  const json = memberObject(body, "image").get("id");
  const id: unknown = json?.startsWith('"') ? JSON.parse(json) : undefined;
  if (typeof id !== "string" || !CONTAINER_IMAGE.test(id))
    throw REFUSALS.rule("image.id", CONTAINER_IMAGE_RULE);
  return id;
}

/** The members of the one object that a body holds under `name`, whatever else it holds. */
function memberObject(body: Uint8Array, name: string): ReadonlyMap<string, string> {
  let members: ReadonlyMap<string, string> | undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    if (text.trim() === "") throw REFUSALS.blank();
    members = membersOf(text);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) {
      throw REFUSALS.rule("body", "is a JSON object in UTF-8");
    }
    throw error;
  }
  const json = members?.get(name);
  const object = json?.startsWith("{") ? membersOfValue(json) : undefined;
  if (!object) throw REFUSALS.rule(name, "is mandatory, a JSON object");
  return object;
}
