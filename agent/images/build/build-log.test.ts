import { describe, expect, test } from "vitest";
import { BuildLog } from "./build-log.ts";

const STEPS = [
  { text: "FROM sha256:11", shown: "from alpine" },
  { text: "LABEL perigee.image=secret" },
  { text: 'RUN ["/bin/sh","-c","a"]', shown: "RUN a" },
];

function logOf(lines: readonly string[]) {
  const shown: string[] = [];
  const steps: string[] = [];
  const log = new BuildLog({
    steps: STEPS,
    label: "perigee.image=secret",
    temporaryName: "perigee-tmp-1/c:latest",
    image: "tool:v1",
    onLine: (line) => shown.push(line),
    onStep: (done, total) => steps.push(`${done}/${total}`),
  });
  for (const line of lines) log.add(line);
  return { shown, steps };
}

describe("a build's log", () => {
  test("shows the user's steps, and nothing that is the agent's own", () => {
    const { shown, steps } = logOf([
      "Step 1/3 : FROM sha256:11",
      " ---> 0123456789ab",
      "Step 2/3 : LABEL perigee.image=secret",
      " ---> Running in 0123456789ac",
      "Removing intermediate container 0123456789ac",
      " ---> 0123456789ad",
      'Step 3/3 : RUN ["/bin/sh","-c","a"]',
      " ---> Running in 0123456789ae",
      "output",
      "Successfully built 0123456789af",
      "Successfully tagged perigee-tmp-1/c:latest",
    ]);
    expect(shown).toEqual([
      "Step 1/2 : from alpine",
      " ---> 0123456789ab",
      "Step 2/2 : RUN a",
      " ---> Running in 0123456789ae",
      "output",
      "Successfully built 0123456789af",
      "Successfully tagged tool:v1",
    ]);
    expect(steps).toEqual(["0/2", "1/2"]);
  });

  test("tells no name of an image that has none of its user's", () => {
    const shown: string[] = [];
    const log = new BuildLog({
      steps: [],
      label: "perigee.image=secret",
      temporaryName: "perigee-tmp-1/c:latest",
      onLine: (line) => shown.push(line),
      onStep: () => undefined,
    });
    for (const line of ["Successfully built 0123456789af", "Successfully tagged perigee-tmp-1/c:latest"])
      log.add(line);
    expect(shown).toEqual(["Successfully built 0123456789af"]);
  });

  test("is not led astray by what a step writes", () => {
    const { shown, steps } = logOf([
      "Step 1/3 : FROM sha256:11",
      "Step 3/3 : RUN a",
      'Step 3/3 : RUN ["/bin/sh","-c","a"]',
      "Step 2/3 : LABEL perigee.image=secret",
      "Step 9/9 : LABEL perigee.image=secret of another form",
    ]);
    expect(shown).toEqual([
      "Step 1/2 : from alpine",
      "Step 3/3 : RUN a",
      'Step 3/3 : RUN ["/bin/sh","-c","a"]',
    ]);
    expect(steps).toEqual(["0/2"]);
  });
});
