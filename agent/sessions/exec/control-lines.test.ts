import { expect, test } from "vitest";
import { ControlLines } from "./control-lines.ts";

test("what bash says of a killed program is heard, however it is cut, and nothing that programs say", () => {
  const told = 'sh: line 5:    12 Killed                  "$@" 2>&3 3>&-\nexit 137\n';
  for (let at = 0; at <= told.length; at++) {
    const lines = new ControlLines();
    const all = [told.slice(0, at), told.slice(at)].flatMap((part) => lines.push(Buffer.from(part)));
    expect(all).toEqual([{ is: "killed" }, { is: "exit", number: 137 }]);
  }
  for (const line of ["Killed", "x Killed", "sh: line 5: 12 Terminated", "sh: 12 Killedx"]) {
    expect(new ControlLines().push(Buffer.from(`${line}\n`))).toEqual([]);
  }
});
