import { describe, expect, test } from "vitest";
import { wholeSeconds } from "../container-state.ts";
import { LABEL } from "../labels.ts";
import { cleanStartError, stateOf } from "./state.ts";

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

describe("cleanStartError", () => {
  const clean = (text: string, known: string[] = []) => cleanStartError(text, known);

  test("keeps what is about the payload", () => {
    const said =
      'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nope/x": stat /nope/x: no such file or directory: unknown';
    expect(clean(said, ["/nope/x"])).toBe('exec: "/nope/x": stat /nope/x: no such file or directory');
  });

  test("drops paths of the host", () => {
    const said =
      'error mounting "/srv/perigee/volumes/ada/x" to rootfs at "/data": mount /proc/self/fd/7:/data, flags 0x5000: stat /var/lib/docker/overlay2/abc/merged/x: denied';
    const cleaned = clean(said);
    expect(cleaned).not.toMatch(/srv|overlay2|perigee/);
    expect(cleaned).toContain("denied");
  });

  test("is bounded", () => {
    expect(clean("x".repeat(10_000)).length).toBeLessThanOrEqual(500);
  });
});

test("wholeSeconds cuts, it does not round", () => {
  expect(wholeSeconds(Date.parse("2025-11-20T12:31:12.999Z"))).toBe("2025-11-20T12:31:12Z");
});
