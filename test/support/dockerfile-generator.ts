// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles write variables so
import fc from "fast-check";

const BLANKS = " |\t|\v|\f|\r|\u0085|\u00a0|\u1680|\u2003|\u2028|\u202f|\u3000|\\\n|\\ \n# c\n ".split("|");
const PIECES =
  "a|b=c|=|'|\"|\\|`|$A|${A}|$U|${U:-x}|${A:+y}|${U:-'z w'}|'q r'|\"s $A\"|\\$A|\\\\|#|--|--x=y|-|[|]|[\"j\"]|,|é|\ufeff|$|{|}|:|80|/p|<<E|1".split(
    "|",
  );

const blank = fc.oneof({ weight: 6, arbitrary: fc.constant(" ") }, fc.constantFrom(...BLANKS));
const piece = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...PIECES) },
  { weight: 1, arbitrary: fc.constantFrom("k=v", "K=$A", "x='y z'", 'x="y z"', "a\\ b=c") },
);
const text = fc
  .array(fc.tuple(piece, fc.option(blank, { nil: "", freq: 2 })), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.map((part) => part.join("")).join(""));
const keyword = fc.constantFrom(
  ..."LABEL|LABEL|LABEL|ENV|ENV|ENV|CMD|ENTRYPOINT|HEALTHCHECK CMD|USER|WORKDIR|VOLUME|EXPOSE|STOPSIGNAL|label|Env".split(
    "|",
  ),
);
const instruction = fc.tuple(keyword, blank, text).map((parts) => parts.join(""));

/** Small files of instructions that set something, of the pieces in which readers may differ. */
export const GENERATED = fc
  .tuple(
    fc.constantFrom("", "# escape=`\n", "# x=y\n# escape=`\n", "\ufeff", "\n"),
    fc.array(instruction, { minLength: 1, maxLength: 2 }),
    fc.constantFrom("", "\n", "\\", "\r\n"),
  )
  .map(([head, lines, end]) => `${head}FROM scratch\nENV A=one\n${lines.join("\n")}${end}`);
