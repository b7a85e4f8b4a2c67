import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ERRORS } from "#protocol/errors.ts";

export const ERRORS_DOC = join(import.meta.dirname, "../docs/errors.md");

/** The text of docs/errors.md, from the one table of errors. */
export function errorsDoc(): string {
  const rows = Object.entries(ERRORS).map(
    ([code, [status, meaning]]) => `| \`${code}\` | ${status} | ${meaning} |`,
  );
  return `# Errors

<!-- Generated from protocol/errors.ts by \`npm run docs\`; a test holds it to that. Do not edit. -->

Every refusal is JSON: \`{"error": CODE, "message": text}\`, some with \`data\`, \`log_tail\` or \`command_id\`
beside them. The code is stable and made for programs; the message is for people and may change. 423, 429 and
503 carry \`Retry-After\` (seconds). A 500 names its command: the cause is in the log under that id.
[Kabuto's API](kabuto.md) has none of these answers: a refusal there is 200 with a text
([164](decisions/164-refusals-of-kabuto.md)).

| code | HTTP | meaning |
| --- | --- | --- |
${rows.join("\n")}
`;
}

if (import.meta.main) {
  if (process.argv.includes("--write")) writeFileSync(ERRORS_DOC, errorsDoc());
  else if (readFileSync(ERRORS_DOC, "utf8") !== errorsDoc()) {
    console.error("docs/errors.md is not what protocol/errors.ts says: npm run docs");
    process.exitCode = 1;
  }
}
