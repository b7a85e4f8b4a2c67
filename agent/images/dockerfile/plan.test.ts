// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles write variables so
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DockerfileError } from "./error.ts";
import { Expander } from "./expand.ts";
import { readInstruction } from "./instruction.ts";
import { readLines } from "./lines.ts";
import { type PlanWorld, planBuild } from "./plan.ts";

const ID = `sha256:${"1".repeat(64)}`;
const COPIED = `sha256:${"2".repeat(64)}`;
const LABEL = "perigee.image=x perigee.image.user=alice";

function worldOf(onBuild: string[] = [], labels: Record<string, string> = {}): PlanWorld {
  return {
    resolve: async (reference) => (/^(own|base)(:latest)?$/.test(reference) ? { id: ID } : undefined),
    inspect: async (id) => ({
      id,
      size: 1,
      os: "linux",
      architecture: "amd64",
      onBuild,
      env: ["HOSTILE=http://x/y"],
      volumes: [],
      ports: [],
      labels,
      shell: [],
    }),
    withoutTriggers: async () => COPIED,
    os: "linux",
    architecture: "amd64",
    label: LABEL,
  };
}

const plan = async (text: string, onBuild?: string[]) =>
  (await planBuild(Buffer.from(text), worldOf(onBuild))).text;
const FROM = `FROM ${ID}\nLABEL ${LABEL}\n`;

describe("a plan", () => {
  test("names what its stages stand on that was there before", async () => {
    const basesOf = async (text: string, onBuild?: string[]) =>
      (await planBuild(Buffer.from(text), worldOf(onBuild))).bases;
    expect(await basesOf("FROM own AS a\nFROM a\nFROM base\nFROM scratch\nCOPY --from=own /x /y\n")).toEqual([
      ID,
      "scratch",
    ]);
    expect(await basesOf("FROM scratch\nCOPY --from=own /x /y\n")).toEqual(["scratch"]);
    // a copy is another each time
    expect(await basesOf("FROM own\n", ["RUN true"])).toEqual([]);
  });

  test.each([
    ["from base", FROM],
    ["# syntax=evil/frontend\nFROM base", FROM],
    ["\uFEFF# c\n\n  FROM\tbase  \r\n", FROM],
    ["FR\\\nOM ba\\\n# in between\n\n  # and here\nse", FROM],
    ["# escape=`\nFROM `\nbase\nRUN a`\n  b", `# escape=\`\n${FROM}RUN ["/bin/sh","-c","a  b"]\n`],
    ["FROM --platform=$BUILDPLATFORM base", FROM],
    ["ARG V=own\nFROM ${V:-base}", FROM],
    ['ARG V\nFROM "${V:-base}"', FROM],
    ["ARG A=ba\nARG B=${A}se\nFROM $B", FROM],
    ["FROM scratch\nCOPY . /", `FROM scratch\nLABEL ${LABEL}\nCOPY [".","/"]\n`],
    ["FROM base AS One\nFROM one", `FROM ${ID} AS one\nLABEL ${LABEL}\nFROM one\nLABEL ${LABEL}\n`],
    ["FROM base\nCOPY --from=own --chown=1:1 a b", `${FROM}COPY --from=${ID} --chown=1:1 ["a","b"]\n`],
    ["FROM base\nCOPY --fr\\om=own a b", `${FROM}COPY --from=${ID} ["a","b"]\n`],
    ['FROM base\nCOPY "--from=own" a b', `${FROM}COPY ["'--from=own'","a","b"]\n`],
    ["FROM base\nCOPY \u00a0--from=missing a b", `${FROM}COPY ["'--from=missing'","a","b"]\n`],
    ["FROM base\nCOPY \u0085--from=missing a b", `${FROM}COPY ["'--from=missing'","a","b"]\n`],
    ["FROM base\nADD a $B /c", `${FROM}ADD ["./a","./","/c"]\n`],
    ['FROM base\nADD [ "a b", "/c" ]', `${FROM}ADD ["'./a b'","/c"]\n`],
    ['FROM base\nADD ["a", "/"] http://x', `${FROM}ADD ["./a","/"]\n`],
    ["FROM base\nONBUILD  add  $X  /", `${FROM}ONBUILD ADD $X  /\n`],
    ["FROM base\nRUN a\\\\\n", `${FROM}RUN ["/bin/sh","-c","a\\\\\\\\"]\n`],
    ["FROM base\nRUN n=3; echo $((1 <<n))", `${FROM}RUN ["/bin/sh","-c","n=3; echo $((1 <<n))"]\n`],
    ['FROM base\nSHELL ["/bin/ash"]\nRUN a', `${FROM}SHELL ["/bin/ash"]\nRUN ["/bin/ash","a"]\n`],
    ["FROM base\nARG TARGETARCH TARGETVARIANT", `${FROM}ARG TARGETARCH=amd64 TARGETVARIANT=\n`],
    ["FROM base\nLABEL a=$HOSTILE 'b c'=\"d'\"", `${FROM}LABEL a=http://x/y 'b c'='d'"'"''\n`],
  ])("of %j", async (text, expected) => {
    expect(await plan(text)).toBe(expected);
  });

  test.each([
    ["FROM missing", /not onboard/],
    ["FROM ${X}", /blank/],
    ["FROM ${X?y}", /modifier/],
    ["FROM base@sha256:00", /not onboard/],
    ["FROM 0", /not onboard/],
    ["FROM base a b", /one or three/],
    ["FROM base AS 1", /invalid name/],
    ["FROM base AS a\nFROM base AS A", /duplicate name/],
    ["FROM --platform=linux/s390x base", /platform/],
    ["FROM base\nFROM later\nFROM base AS later", /not onboard/],
    ["FROM base AS self\nCOPY --from=self a b", /not onboard/],
    ["FROM base\nCOPY --from=0 a b", /invalid from/],
    ["FROM base\nCOPY --from=-1 a b", /invalid from/],
    ["FROM base\nCOPY --from=$X a b", /must name/],
    ["FROM base\nCOPY --from=missing a b", /not onboard/],
    ['FROM base\nCOPY "--from=own" a b\nADD --from=own a b', /unknown flag/],
    ["FROM base\nRUN --mount=type=bind,from=own ls", /BuildKit/],
    ["FROM base\nRUN --network=host ls", /BuildKit/],
    ["FROM base\nRUN cat <<EOF\nFROM missing\nEOF", /heredoc/],
    ["FROM base\nRUN \u0085<<EOF", /heredoc/],
    ["FROM base\nCOPY <<-'EOF' /x\nx\nEOF", /heredoc/],
    ["FROM base\nADD http://x/y /", /no network/],
    ["FROM base\nADD $HOSTILE /", /no network/],
    ['FROM base\nADD ["x", "git@x:y.git", "/"]', /no network/],
    ["FROM base\nADD [1] /", /JSON array/],
    ["FROM base\nONBUILD FROM own", /trigger/],
    ["FROM base\nONBUILD ONBUILD RUN x", /trigger/],
    ["FROM base\nONBUILD COPY --from=own a b", /trigger/],
    ["RUN x", /no build stage/],
    ["FROM base\nEVIL x", /unknown instruction/],
    ["FROM\u00a0base", /unknown instruction/],
    ["", /empty/],
    ["# escape=x\nFROM base", /escape/],
    ["FROM base\0", /NUL/],
  ])("refuses %j", async (text, expected) => {
    await expect(plan(text)).rejects.toThrow(DockerfileError);
    await expect(plan(text)).rejects.toThrow(expected);
  });

  test("refuses bytes that are no text, or too many", async () => {
    await expect(planBuild(Buffer.from([0x46, 0xff, 0xfe]), worldOf())).rejects.toThrow(/UTF-8/);
    await expect(planBuild(Buffer.alloc(1024 * 1024 + 1, 0x23), worldOf())).rejects.toThrow(/1 MiB/);
  });

  test.each([
    ["ADD ./$X /", true],
    ["ADD file-1.txt /", true],
    ["RUN make", true],
    ["COPY . /app", true],
    ["ADD $X /", true],
    ["ADD $HOSTILE /", false],
    ["ADD http://x /", false],
    ['ADD ["http://x", "/"]', false],
    ['ADD "http://x" /', false],
    ["add ht\\tp://x /", false],
    ["COPY --from=own / /", false],
    ["RUN --mount=from=own ls", false],
    ["FROM own", false],
    ["RUN x\nADD http://x /", false],
    ["# escape=`", false],
    ["LABEL perigee.run=1", false],
  ])("takes a base with the trigger %j: %s", async (trigger, fine) => {
    if (!fine) return expect(plan("FROM base", [trigger])).rejects.toThrow(DockerfileError);
    const text = await plan("FROM base", [trigger]);
    // read and written like any instruction, on a base that has no triggers
    expect(text.split("\n").slice(0, 2)).toEqual([`FROM ${COPIED}`, `LABEL ${LABEL}`]);
    expect(text.split("\n")).toHaveLength(4);
  });
});

describe("a plan is bounded", () => {
  const lines = (count: number, line: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => line(i));
  const doubled = lines(16, () => "ARG A=$A$A")
    .join("\n")
    .replace("$A$A", "x");
  test.each([
    [
      "in what its words come to",
      [doubled, "FROM base", "ARG A", ...lines(9_000, (i) => `ENV A${i % 9}=$A`)],
      /too long/,
    ],
    [
      "in an instruction's words",
      [doubled, "FROM base", "ARG A", `LABEL ${lines(5_000, (i) => `k${i}=$A`).join(" ")}`],
      /too long/,
    ],
    ["in stages", lines(201, () => "FROM scratch"), /stages/],
    ["in variables", ["FROM scratch", ...lines(9_000, (i) => `ENV A${i}=x`)], /environment variables/],
    ["in blanks of a directive", [`# escape=a${" ".repeat(65_000)}b`, "FROM scratch"], /escape/],
    ["in instructions", ["FROM scratch", ...lines(10_000, () => "USER a")], /10,000/],
  ])("%s", async (_, text, reason) => {
    await expect(plan(text.join("\n"))).rejects.toThrow(reason);
  });
});

describe("whatever a Dockerfile says", () => {
  const piece = fc.constantFrom(
    ...'FROM |ADD |COPY |RUN |ARG |ENV |ONBUILD |LABEL |from |--from=|missing|own|base|scratch|http://x|git@x:y|$X|${X}|${X:-|}|["|","|"]|\\\n|\n|# c\n|`|\\|\'|"| |\t|\v|\f|\r|\u00a0|\u0085|\u2028|<<EOF|EOF\n|X=|a|/|AS s|s|0|=|# escape=`\n'.split(
      "|",
    ),
  );
  const dockerfile = fc.array(piece, { maxLength: 40 }).map((pieces) => `FROM base\n${pieces.join("")}`);

  test("the plan names images by ID, adds local files only, and is read as it was written", async () => {
    let planned = 0;
    await fc.assert(
      fc.asyncProperty(dockerfile, async (text) => {
        const out = await plan(text).catch((error: unknown) => {
          expect(error).toBeInstanceOf(DockerfileError);
          return undefined;
        });
        if (out === undefined) return;
        planned++;
        // line by line, as a reader that knows no continuation sees it
        const lines = out.split("\n").slice(0, -1);
        const stages = new Set<string>();
        for (const line of lines) {
          const [, from, as] = /^FROM (\S+)(?: AS (\S+))?$/.exec(line) ?? [];
          if (line.startsWith("FROM"))
            expect(from === ID || from === "scratch" || stages.has(from!)).toBe(true);
          if (as) stages.add(as);
          if (/^ADD/.test(line)) expect(line).toMatch(/^ADD \["'?\.\//);
          const [, source] = /^COPY.* --from=(\S+)/.exec(line) ?? [];
          if (/^COPY --from/.test(line))
            expect(source === ID || stages.has(source!) || /^\d+$/.test(source!)).toBe(true);
          expect(line).toMatch(/^(# escape=`$|FROM|ADD|COPY|RUN|ARG|ENV|ONBUILD|LABEL)/);
        }
        const read = readLines(Buffer.from(out));
        expect(read.lines).toHaveLength(lines.filter((line) => !line.startsWith("#")).length);
        expect(read.lines.map(({ text }) => readInstruction(text, read.escapeChar).source)).toEqual(
          lines.filter((line) => !line.startsWith("#")),
        );
        // what is set is literal: written once more it stays itself
        const again = await plan(out.replaceAll(ID, "base").replaceAll(`LABEL ${LABEL}\n`, ""));
        expect(again).toBe(out);
      }),
      { numRuns: 5000 },
    );
    expect(planned).toBeGreaterThan(20);
  });
});

describe("a word", () => {
  const variables = new Map([
    ["A", "one"],
    ["E", ""],
  ]);
  test.each([
    ["$A-${A}", "one-one"],
    ["'$A'", "$A"],
    ['"$A x"', "one x"],
    ["\\$A", "$A"],
    ["${E:-x}${E-y}${Z-z}${Z:-$A}", "xzone"],
    ["${A:+yes}${E:+no}${E+set}", "yesset"],
    ["$", "$"],
    ["${Z:-${Z:-deep}}", "deep"],
    ["${A:?x}${A?x}${E?x}", "oneone"],
  ])("%j becomes %j", (text, expected) => {
    expect(new Expander("\\").word(text, variables)).toBe(expected);
  });
  test.each(["'", '"', "${", "${A", "${A:", "${Z:?x}", "${E:?x}", "${Z?x}", "${}", "${A/x/y}"])(
    "%j is refused",
    (text) => {
      expect(() => new Expander("\\").word(text, variables)).toThrow(DockerfileError);
    },
  );
});
