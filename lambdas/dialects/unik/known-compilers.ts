import { PerigeeError } from "#protocol/errors.ts";
import type { Offer } from "./offer.ts";

const LANGUAGES = {
  docker: ["go", "nodejs", "python", "java", "c", "native"],
  linux: ["go", "nodejs", "python", "c", "native"],
  baremetal: ["c"],
} as const;
const BASES = { docker: ["docker"], kubernetes: ["docker"], qemu: ["linux", "baremetal"] } as const;

export type Compiler = { provider: string; base: string; lang: string };

export const compilerName = ({ base, lang, provider }: Compiler) => `${base}-${lang}-${provider}`;

/** Every compiler for a provider, whether an edge has it or not. */
function namesFor(provider: string): string[] {
  const bases = Object.hasOwn(BASES, provider) ? BASES[provider as keyof typeof BASES] : [];
  return bases
    .flatMap((base) => LANGUAGES[base].map((lang) => compilerName({ base, lang, provider })))
    .sort();
}

export function isKnownCompiler(provider: string, name: string): boolean {
  return namesFor(provider).includes(name);
}

/** @throws INVALID_PARAMETERS when none is given, or the edge has none of that name and `known` does not say either */
export function checkProvider(
  provider: string,
  { providers }: Pick<Offer, "providers">,
  orKnown = false,
): void {
  if (provider === "") throw missing("provider");
  if (providers.includes(provider) || (orKnown && Object.hasOwn(BASES, provider))) return;
  const text = `${provider.slice(0, 100)} is not a known provider. Available: ${providers.join("|")}`;
  throw new PerigeeError("INVALID_PARAMETERS", text);
}

/** The first thing that is wrong with a compiler as it was named. @throws INVALID_PARAMETERS */
export function checkCompiler(asked: Compiler, offer: Offer, orKnown = false): void {
  const { provider, base, lang } = asked;
  checkProvider(provider, offer, orKnown);
  if (base === "") throw missing("base");
  if (lang === "") throw missing("lang");
  const known = namesFor(provider);
  if (known.includes(compilerName(asked))) return;
  throw new PerigeeError(
    "INVALID_PARAMETERS",
    `base '${base.slice(0, 100)}' with language '${lang.slice(0, 100)}' is not available for provider '${provider}'. Available: ${known.join("|")}`,
  );
}

/** @throws NOT_SUPPORTED when the compiler would not work on the edge now */
export function requireWorking(asked: Compiler, { compilers }: Offer): void {
  const name = compilerName(asked);
  const one = compilers.find((compiler) => compiler.name === name);
  if (one && one.missing === undefined) return;
  throw new PerigeeError(
    "NOT_SUPPORTED",
    `${name} is not available on this edge: ${one?.missing ?? NOT_THERE}`,
  );
}

/** What is missing where the edge says nothing of it. */
export const NOT_THERE = "its agent has no such compiler";

function missing(name: string): PerigeeError {
  return new PerigeeError("INVALID_PARAMETERS", `must provide '${name}' parameter`);
}
