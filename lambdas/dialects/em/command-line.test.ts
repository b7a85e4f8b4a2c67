import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commandLine, splitWords } from "./command-line.ts";

const sh = (command: string) => ({ command: ["/bin/sh", "-c", command] });

describe("commandLine", () => {
  test.each<[string, string | undefined, string[] | undefined, ReturnType<typeof commandLine>]>([
    ["nothing given: the image's own", undefined, undefined, {}],
    ["a blank command is none", "  ", undefined, {}],
    ["args alone replace CMD", undefined, ["-v"], { args: ["-v"] }],
    ["an empty list of args is none", "ls -l", [], { command: ["ls", "-l"] }],
    [
      "plain words, no shell",
      "python  app.py --n=3 a%b,c:/d@e",
      undefined,
      {
        command: ["python", "app.py", "--n=3", "a%b,c:/d@e"],
      },
    ],
    [
      "args: split, no shell",
      "echo 'a b' $HOME > x",
      ["c d"],
      {
        command: ["echo", "a b", "$HOME", ">", "x"],
        args: ["c d"],
      },
    ],
    [
      "the page's example",
      "echo 'is it this simple to run in space?' > hello-space.txt",
      undefined,
      sh("echo 'is it this simple to run in space?' > hello-space.txt"),
    ],
  ])("%s", (_name, command, args, expected) => {
    expect(commandLine(command, args)).toEqual(expected);
  });

  test.each([
    "a > b",
    "a < b",
    "a | b",
    "a && b",
    "a || b",
    "a; b",
    "a & b",
    "echo $X",
    "echo `x`",
    "echo 'x'",
    'echo "x"',
    "a\nb",
    "ls *.txt",
    "ls ?",
    "ls [ab]",
    "cd ~",
    "(a)",
    "a\\ b",
    "# x",
    "X=1 env",
  ])("runs %j by a shell, as it was written", (command) => {
    expect(commandLine(command, undefined)).toEqual(sh(command));
  });

  test("refuses an open quote only where we split ourselves", () => {
    expect(() => commandLine("echo 'a", ["b"])).toThrow(
      expect.objectContaining({ code: "INVALID_PARAMETERS" }),
    );
    expect(commandLine("echo 'a", undefined)).toEqual(sh("echo 'a"));
  });
});

describe("splitWords", () => {
  test.each<[string, string[]]>([
    ["", []],
    [" a\tb\nc\r\n", ["a", "b", "c"]],
    ["a'b c'd", ["ab cd"]],
    [`"a 'b'" 'c "d"'`, ["a 'b'", 'c "d"']],
    [`"a\\"b\\\\c\\$d\\\`e\\f"`, ['a"b\\c$d`e\\f']],
    ["a\\ b \\'c", ["a b", "'c"]],
    ["'' \"\"", ["", ""]],
    ["a\\\nb", ["ab"]],
    ['"a\\\nb"', ["ab"]],
    ["a#b", ["a#b"]],
  ])("%j", (text, words) => {
    expect(splitWords(text)).toEqual(words);
  });

  test.each(["'", '"', "a 'b", 'a "b\\"'])("refuses %j", (text) => {
    expect(() => splitWords(text)).toThrow(expect.objectContaining({ code: "INVALID_PARAMETERS" }));
  });

  test("gives back any words that were quoted", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" })), (words) => {
        const single = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
        const double = words.map((word) => `"${word.replace(/["\\$`]/g, "\\$&")}"`).join("\n");
        expect(splitWords(single)).toEqual(words);
        expect(splitWords(double)).toEqual(words);
      }),
    );
  });

  test("splits as /bin/sh does where nothing is expanded", () => {
    const piece = fc.constantFrom("a", "b", " ", "  ", "\t", "'", '"', "\\", "-x");
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join("");
        let ours: string[];
        try {
          ours = splitWords(text);
        } catch {
          return;
        }
        const script = `set -- ${text}\nfor w; do printf '%s\\0' "$w"; done`;
        // a backslash at the very end would join the next line of the script
        if (/\\$/.test(text)) return;
        const theirs = execFileSync("/bin/sh", ["-c", script], {
          encoding: "utf8",
          stdio: ["ignore", "pipe", "ignore"],
        });
        expect(ours).toEqual(theirs.split("\0").slice(0, -1));
      }),
      { numRuns: 60 },
    );
  });
});
