import { jsonAnswer, textAnswer } from "./answers.ts";
import { asOf } from "./as-of.ts";
import type { Handle } from "./asked.ts";
import { checkCompiler, compilerName, NOT_THERE } from "./known-compilers.ts";
import { offerOf } from "./offer.ts";

/** `GET /available_providers` */
export const getProviders: Handle = async ({ core, owner }) => {
  const { providers } = await offerOf(core, owner.edge);
  return jsonAnswer([...providers].sort(), 200, await asOf(core, owner.edge));
};

/** `GET /available_compilers`: those that work on the edge */
export const getCompilers: Handle = async ({ core, owner }) => {
  const { compilers } = await offerOf(core, owner.edge);
  const names = compilers.filter(({ missing }) => missing === undefined).map(({ name }) => name);
  return jsonAnswer(names.sort(), 200, await asOf(core, owner.edge));
};

/** `GET /describe_compiler` */
export const describeCompiler: Handle = async ({ core, owner, query }) => {
  const [provider, base, lang] = ["provider", "base", "lang"].map((name) => query.get(name) ?? "");
  const asked = { provider: provider!, base: base!, lang: lang! };
  const offer = await offerOf(core, owner.edge);
  checkCompiler(asked, offer, true);
  const name = compilerName(asked);
  const one = offer.compilers.find((compiler) => compiler.name === name);
  const description = one?.description || "<missing compiler description>";
  const lacks = one ? one.missing : NOT_THERE;
  const first = lacks === undefined ? "" : `NOT AVAILABLE ON THIS EDGE: ${lacks}\n`;
  return textAnswer(first + description, 200, await asOf(core, owner.edge));
};
