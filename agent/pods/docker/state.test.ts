import { describe, expect, test } from "vitest";
import { wholeSeconds } from "../container-state.ts";
import { LABEL } from "../labels.ts";
import { stateOf } from "./state.ts";

const BOOT = { id: "this boot", at: Date.parse("2025-11-20T12:00:00Z") };
const NEVER = "0001-01-01T00:00:00Z";

function container(state: object, session = BOOT.id) {
  const whole = {
    Running: false,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    ExitCode: 0,
    Error: "",
    StartedAt: "2025-11-20T12:31:12.987654321Z",
    FinishedAt: "2025-11-20T12:31:13.1Z",
    ...state,
  };
  return { State: whole, Config: { Labels: { [LABEL.session]: session } } } as unknown as Parameters<
    typeof stateOf
  >[0];
}

describe("stateOf", () => {
  test("running, in whole seconds", () => {
    expect(stateOf(container({ Running: true, FinishedAt: NEVER }), BOOT)).toEqual({
      running: { startedAt: "2025-11-20T12:31:12Z" },
    });
  });

  test.each([
    [{}, "Completed"],
    [{ ExitCode: 1 }, "Error"],
    [{ ExitCode: 137 }, "Error"],
    [{ ExitCode: 137, OOMKilled: true }, "OOMKilled"],
    // A child was killed, the payload itself went on and ended well.
    [{ ExitCode: 0, OOMKilled: true }, "Completed"],
  ])("%o is %s", (state, reason) => {
    expect(stateOf(container(state), BOOT)).toMatchObject({ terminated: { reason } });
  });

  test("created and never started is waiting; with an error it is a StartError", () => {
    const created = { StartedAt: NEVER, FinishedAt: NEVER };
    expect(stateOf(container(created), BOOT)).toEqual({ waiting: { reason: "ContainerCreating" } });
    expect(stateOf(container({ ...created, ExitCode: 127, Error: "no such file" }), BOOT)).toMatchObject({
      terminated: { exitCode: 128, reason: "StartError", startedAt: null },
    });
  });

  test("found dead after a reboot is NodeLost, but what had ended before it keeps its end", () => {
    const before = { StartedAt: "2025-11-20T11:00:00Z", ExitCode: 255 };
    expect(
      stateOf(container({ ...before, FinishedAt: "2025-11-20T12:00:20Z" }, "earlier boot"), BOOT),
    ).toMatchObject({ terminated: { reason: "NodeLost" } });
    expect(
      stateOf(
        container({ ...before, ExitCode: 3, FinishedAt: "2025-11-20T11:30:00Z" }, "earlier boot"),
        BOOT,
      ),
    ).toMatchObject({ terminated: { reason: "Error", exitCode: 3 } });
  });
});

test("wholeSeconds cuts, it does not round", () => {
  expect(wholeSeconds(Date.parse("2025-11-20T12:31:12.999Z"))).toBe("2025-11-20T12:31:12Z");
});
